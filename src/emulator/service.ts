import type { IncomingMessage } from 'node:http';
import type { Clock } from '../clock.ts';
import { APPS } from './apps.ts';
import { admit, type HeaderLine } from './front-end.ts';
import type { Issuer } from './issuer.ts';
import { inviteBody, type LoopbackServer, listenOnLoopback, type RequestHandler } from './listen.ts';
import { toRefusalPage } from './refusal-page.ts';
import type { ServiceName } from './service-names.ts';

export interface ServiceOptions {
  readonly name: ServiceName;
  readonly clock: Clock;
  readonly issuer: Issuer;
}

/** Audiences a service accepts beside its own origin, as `gcloud run services update --add-custom-audiences` sets them. */
export function toCustomAudiences(name: ServiceName): readonly string[] {
  return [`https://${name}.example.com`];
}

/** A private service on its own port, hence with its own origin: Cloud Run's front end, then the application. */
export function startService({ name, clock, issuer }: ServiceOptions): Promise<LoopbackServer> {
  const customAudiences = toCustomAudiences(name);

  const handle: RequestHandler = async (request, response, origin) => {
    response.setHeader('Server', 'Google Frontend');
    const target = request.url ?? '/';
    const clientAddress = request.socket.remoteAddress ?? '';
    const headers = toHeaderLines(request);
    const admission = await admit({ headers, clientAddress }, { origin, customAudiences, issuer });
    if (!admission.admitted) {
      const page = toRefusalPage(admission.status, target.split('?', 1)[0] ?? '/');
      response.writeHead(admission.status, {
        ...page.headers,
        'Content-Length': Buffer.byteLength(page.html),
      });
      response.end(page.html);
      return;
    }
    inviteBody(request, response);
    const { verified } = admission;
    const call = {
      service: name,
      method: request.method ?? 'GET',
      target,
      headers: admission.headers,
      verified,
    };
    await APPS[name]({ ...call, body: request, clock }, response);
  };

  return listenOnLoopback({ port: 0, clock, handle });
}

/** Header lines in the order and case they came in. */
function toHeaderLines({ rawHeaders }: IncomingMessage): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    lines.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
  }
  return lines;
}
