import { type Endpoint, toJsonAnswer } from './endpoint.ts';

/**
 * `POST /quit`: asks the process to let requests finish and end. Says so first, so that who asked knows; asking again is
 * answered alike.
 */
export function createQuitEndpoint(onQuit: () => void): Endpoint {
  return {
    method: 'POST',
    path: '/quit',
    needsToken: true,
    answer: () => ({ ...toJsonAnswer(202, { status: 'stopping' }), afterwards: onQuit }),
  };
}
