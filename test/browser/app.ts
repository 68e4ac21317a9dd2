import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { TestContext } from 'node:test';
import type { KeyedCertificate } from '../support/certificates.ts';
import { startTlsUpstream, startUpstream } from '../support/sockets.ts';

/** What an application answers, by path or by method and path; a text is a page. */
export type Pages = Readonly<Record<string, string | RequestListener>>;

/** A web application on a free loopback port. */
export interface App {
  readonly origin: string;
  readonly server: Server | HttpsServer;
  /** What came to it so far, the icon that browsers ask for left out. */
  readonly requests: readonly IncomingMessage[];
  /** The last request for a path. */
  last(path: string): IncomingMessage;
  /** How often a path was asked for. */
  count(path: string): number;
}

/** Starts one; it is stopped after the test. With a certificate it speaks TLS, and its origin has the name `localhost`. */
export async function startApp(t: TestContext, pages: Pages, certificate?: KeyedCertificate): Promise<App> {
  const requests: IncomingMessage[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = pathOf(request);
    if (path === '/favicon.ico') {
      response.writeHead(404).end();
      return;
    }
    requests.push(request);
    const page = pages[`${request.method} ${path}`] ?? pages[path];
    if (typeof page === 'function') page(request, response);
    else if (page === undefined) response.writeHead(404).end(`no page ${path}`);
    else sendPage(response, page);
  };
  return {
    ...(await listen(t, answer, certificate)),
    requests,
    last(path) {
      const request = requests.findLast((candidate) => pathOf(candidate) === path);
      if (request === undefined) throw new Error(`nobody asked for ${path}`);
      return request;
    },
    count: (path) => requests.filter((candidate) => pathOf(candidate) === path).length,
  };
}

async function listen(
  t: TestContext,
  answer: RequestListener,
  certificate: KeyedCertificate | undefined,
): Promise<Pick<App, 'origin' | 'server'>> {
  if (certificate === undefined) return await startUpstream(t, answer);
  const { port, server } = await startTlsUpstream(t, certificate, answer);
  return { origin: `https://localhost:${port}`, server };
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '';
}

/** An HTML page with a title and what is given in its body. */
export function sendPage(response: ServerResponse, body: string): void {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(`<!doctype html><title>App</title><body>${body}`);
}

/** A handler that leads to another place; `<host>` is the host the application knows itself by. */
export function redirect(status: number, location: string): RequestListener {
  return ({ headers: { host = '' } }, response) => {
    response.writeHead(status, { Location: location.replace('<host>', host) }).end();
  };
}

/** The cookies of a request, sorted. */
export function cookiesOf({ headers }: IncomingMessage): string[] {
  return headers.cookie === undefined ? [] : headers.cookie.split('; ').sort();
}
