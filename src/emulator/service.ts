import type { IncomingMessage } from 'node:http';
import type { Clock } from '../clock.ts';
import { APPS } from './apps.ts';
import { admit } from './front-end.ts';
import type { HeaderLine } from './header-lines.ts';
import { createIap } from './iap.ts';
import type { Issuer } from './issuer.ts';
import type { Keys } from './keys.ts';
import { inviteBody, type LoopbackServer, listenOnLoopback, type RequestHandler } from './listen.ts';
import type { ServiceName } from './service-names.ts';
import { type ServicePolicy, toDefaultPolicy } from './service-policy.ts';

export interface ServiceOptions {
  readonly name: ServiceName;
  readonly clock: Clock;
  readonly issuer: Issuer;
  readonly keys: Keys;
}

/** A service that listens. */
export interface RunningService extends LoopbackServer {
  readonly name: ServiceName;
  /** How it is set up right now. */
  policy(): ServicePolicy;
  /** Sets it up otherwise, from the next request on; what isn't named stays. */
  set(change: Partial<ServicePolicy>): void;
}

/** A private service on its own port, hence with its own origin: Google's front end, then the application. */
export async function startService({ name, clock, issuer, keys }: ServiceOptions): Promise<RunningService> {
  const iap = createIap({ service: name, clock, keys });
  let policy = toDefaultPolicy(name);

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
    const admission = await admit(head, { origin, policy, issuer, iap });
    if (!admission.admitted) {
      const { status, headers, body } = admission.page;
      response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body);
      return;
    }
    inviteBody(request, response);
    const { headers, verified } = admission;
    await APPS[name]({ service: name, method, target, headers, verified, body: request, clock }, response);
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
