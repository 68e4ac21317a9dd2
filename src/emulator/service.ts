import type { IncomingMessage } from 'node:http';
import type { Clock } from '../clock.ts';
import { APPS, type App } from './apps.ts';
import { admit } from './front-end.ts';
import type { HeaderLine } from './header-lines.ts';
import { createIap } from './iap.ts';
import type { Issuer } from './issuer.ts';
import type { Keys } from './keys.ts';
import { inviteBody, type LoopbackServer, listenOnLoopback, type RequestHandler } from './listen.ts';
import type { ServiceName } from './service-names.ts';
import { type ServicePolicy, toDefaultPolicy } from './service-policy.ts';

/** What every service shares. */
export interface ServiceContext {
  readonly clock: Clock;
  readonly issuer: Issuer;
  readonly keys: Keys;
}

export interface GuardedOptions extends ServiceContext {
  readonly name: string;
  readonly app: App;
  readonly policy: ServicePolicy;
  /** The origin it is known by, where that isn't the one it listens at. */
  readonly url?: string;
}

/** A service that listens. */
export interface RunningService<Name extends string = string> extends LoopbackServer {
  readonly name: Name;
  /** How it is set up right now. */
  policy(): ServicePolicy;
  /** Sets it up otherwise, from the next request on; what isn't named stays. */
  set(change: Partial<ServicePolicy>): void;
}

/** One of the embedded private services. */
export async function startService(
  name: ServiceName,
  context: ServiceContext,
): Promise<RunningService<ServiceName>> {
  const policy = toDefaultPolicy(name);
  return { ...(await startGuarded({ name, app: APPS[name], policy, ...context })), name };
}

/** An application on its own port, hence with its own origin: Google's front end, then the application. */
export async function startGuarded(options: GuardedOptions): Promise<RunningService> {
  const { name, app, url, clock, issuer, keys } = options;
  const iap = createIap({ service: name, clock, keys });
  let { policy } = options;

  const handle: RequestHandler = async (request, response, origin) => {
    response.setHeader('Server', 'Google Frontend');
    const [method, target] = [request.method ?? 'GET', request.url ?? '/'];
    const clientAddress = request.socket.remoteAddress ?? '';
    const head = {
      method,
      path: target.split('?', 1)[0] ?? '/',
      headers: toHeaderLines(request),
      clientAddress,
    };
    const admission = await admit(head, { origin, url, policy, issuer, iap });
    if (!admission.admitted) {
      const { status, headers, body } = admission.page;
      response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body);
      return;
    }
    inviteBody(request, response);
    const { headers, verified } = admission;
    await app({ service: name, method, target, headers, verified, body: request, clock }, response);
  };

  const server = await listenOnLoopback({ port: 0, clock, handle });
  return {
    ...server,
    name,
    policy: () => policy,
    set(change) {
      policy = { ...policy, ...change };
    },
  };
}

/** Header lines in the order and case they came in. */
function toHeaderLines({ rawHeaders }: IncomingMessage): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    lines.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
  }
  return lines;
}
