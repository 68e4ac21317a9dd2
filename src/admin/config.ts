import type { Config } from '../config/config.ts';
import { redactSecrets } from '../observe/redact.ts';
import { type AdminAnswer, type Endpoint, toJsonAnswer } from './endpoint.ts';

/** In place of what may be a secret. */
const HIDDEN = '(hidden)';

/**
 * `GET /config`: the configuration in force, with its defaults. It holds no secrets but where they are, save for what
 * `headers.set` puts on requests, which is hidden; what looks like a credential elsewhere is taken out as well.
 */
export function createConfigEndpoint(config: () => Config): Endpoint {
  return { method: 'GET', path: '/config', needsToken: false, answer: () => describeConfig(config()) };
}

function describeConfig(config: Config): AdminAnswer {
  const routes = config.routes.map((route) => ({
    ...route,
    headers: { ...route.headers, set: hideValues(route.headers.set) },
  }));
  const answer = toJsonAnswer(200, { ...config, routes });
  return { ...answer, body: redactSecrets(answer.body) };
}

function hideValues(record: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.keys(record).map((name) => [name, HIDDEN]));
}
