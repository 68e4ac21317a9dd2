import { type Endpoint, toJsonAnswer } from './endpoint.ts';

/**
 * `POST /reload`: has the configuration read again (R66), and answers when it is in force, with what changed. Where it can't be,
 * the answer is the error, with every mistake, and the one before stays.
 */
export function createReloadEndpoint(onReload: () => Promise<readonly string[]>): Endpoint {
  return {
    method: 'POST',
    path: '/reload',
    needsToken: true,
    answer: async () => toJsonAnswer(200, { status: 'reloaded', changes: await onReload() }),
  };
}
