import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Clock } from '../clock.ts';
import { APPS, type App, type AppRequest, type UpgradeApp } from './apps.ts';
import { type Admission, admit, type FrontEndRequest } from './front-end.ts';
import type { HeaderLine } from './header-lines.ts';
import { createIap } from './iap.ts';
import type { Issuer } from './issuer.ts';
import type { Keys } from './keys.ts';
import {
  inviteBody,
  type LoopbackServer,
  listenOnLoopback,
  type RequestHandler,
  type UpgradeHandler,
} from './listen.ts';
import type { RefusalPage } from './refusal-page.ts';
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
  /** What takes WebSockets; undefined: nothing does. */
  readonly upgrade?: UpgradeApp | undefined;
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
  const judge = (request: IncomingMessage, origin: string): Promise<Admission> =>
    admit(toFrontEndRequest(request), { origin, url, policy, issuer, iap });

  const handle: RequestHandler = async (request, response, origin) => {
    response.setHeader('Server', 'Google Frontend');
    const admission = await judge(request, origin);
    if (!admission.admitted) {
      const { status, headers, body } = admission.page;
      response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body);
      return;
    }
    inviteBody(request, response);
    const { headers, verified } = admission;
    await app({ service: name, ...readLine(request), headers, verified, body: request, clock }, response);
  };

  const server = await listenOnLoopback({
    port: 0,
    clock,
    handle,
    upgrade: toUpgrade(options.upgrade, judge),
  });
  return {
    ...server,
    name,
    policy: () => policy,
    set(change) {
      policy = { ...policy, ...change };
    },
  };
}

function toUpgrade(
  takeOver: UpgradeApp | undefined,
  judge: (request: IncomingMessage, origin: string) => Promise<Admission>,
): UpgradeHandler | undefined {
  if (takeOver === undefined) return undefined;
  return async (request, socket, head, origin) => {
    const admission = await judge(request, origin);
    if (admission.admitted) takeOver({ ...readLine(request), headers: admission.headers }, socket, head);
    else socket.end(toRawAnswer(admission.page));
  };
}

function readLine({ method = 'GET', url = '/' }: IncomingMessage): Pick<AppRequest, 'method' | 'target'> {
  return { method, target: url };
}

function toFrontEndRequest(request: IncomingMessage): FrontEndRequest {
  const { method, target } = readLine(request);
  const path = target.split('?', 1)[0] ?? '/';
  const clientAddress = request.socket.remoteAddress ?? '';
  return { method, path, headers: toHeaderLines(request), clientAddress };
}

/** A refusal where Node leaves the answer to us. */
function toRawAnswer({ status, headers, body }: RefusalPage): string {
  const all = {
    Server: 'Google Frontend',
    ...headers,
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`;
}

/** Header lines in the order and case they came in. */
function toHeaderLines({ rawHeaders }: IncomingMessage): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    lines.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
  }
  return lines;
}
