import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { readBody, startUpstream } from '../support/sockets.ts';

/** How a question is answered with everything secret that was in it. */
export type Echo = (text: string, response: ServerResponse) => void;

/** Google, in front of the emulated one: passes questions on, but for those it is to answer itself. */
export interface EchoingGoogle {
  readonly origin: string;
  /** Secrets that went through since `echo` was told, either way. */
  readonly secrets: ReadonlySet<string>;
  /** Paths asked for since `echo` was told, in order. */
  readonly paths: readonly string[];
  /** From now on answers the question of that number by an echo, and passes the others on. */
  echo(number: number, echo: Echo): void;
}

const json = (status: number, body: unknown, response: ServerResponse): void => {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
};

/** Each place in which an answer can hold what was sent. */
export const ECHOES: Readonly<Record<string, Echo>> = {
  'OAuth description': (text, response) =>
    json(400, { error: 'invalid_grant', error_description: text }, response),
  'OAuth error': (text, response) => json(401, { error: text, error_subtype: text }, response),
  'API message': (text, response) =>
    json(
      403,
      { error: { code: 403, status: 'PERMISSION_DENIED', message: text, details: [text] } },
      response,
    ),
  'API status': (text, response) => json(403, { error: { status: text, message: 'no' } }, response),
  'plain text': (text, response) => response.writeHead(400, { 'Content-Type': 'text/plain' }).end(text),
  page: (text, response) =>
    response.writeHead(500, { 'Content-Type': 'text/html' }).end(`<html>${text}</html>`),
  'reason and fields': (text, response) => {
    const line = text.replace(/[^\x20-\x7e]/g, ' ').slice(0, 4_000);
    response.writeHead(403, line, { 'X-Echo': line, 'WWW-Authenticate': line }).end();
  },
  redirect: (text, response) =>
    response.writeHead(302, { Location: `http://127.0.0.1:9/?${encodeURIComponent(text)}` }).end(),
  'something else': (text, response) => json(200, { echo: text }, response),
  'no JSON': (text, response) =>
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(`{"access_token": ${text}`),
  'no token': (text, response) =>
    json(
      200,
      {
        access_token: { text },
        id_token: `${text}.${text}.${text}`,
        token: [text],
        value: { text },
        signedJwt: text,
        expires_in: text,
      },
      response,
    ),
  'cut off': (text, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': text.length + 100 });
    response.write(text, () => response.destroy());
  },
};

export async function startEchoingGoogle(t: TestContext, emulatedUrl: string): Promise<EchoingGoogle> {
  const secrets = new Set<string>();
  const paths: string[] = [];
  let planned: { readonly number: number; readonly echo: Echo } | undefined;
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = (await readBody(request)).toString();
    for (const secret of findSecrets(request, body)) secrets.add(secret);
    paths.push(request.url?.split('?', 1)[0] ?? '');
    if (planned?.number === paths.length) planned.echo(toText(request, body), response);
    else await passOn(request, body, response, emulatedUrl, origin, secrets);
  });
  return {
    origin,
    secrets,
    paths,
    echo(number, echo) {
      paths.length = 0;
      secrets.clear();
      planned = { number, echo };
    },
  };
}

/** What was sent, in the ways in which it could be quoted. */
function toText({ headers, url }: IncomingMessage, body: string): string {
  const plain = decodeURIComponent(body.replaceAll('+', ' ').replace(/%(?![0-9a-f]{2})/gi, '%25'));
  const fields = JSON.stringify(Object.fromEntries(new URLSearchParams(body)));
  const base64 = Buffer.from(body).toString('base64');
  return [headers.authorization, body, plain, fields, base64, url].join(' ');
}

function findSecrets({ headers }: IncomingMessage, body: string): readonly string[] {
  const sent = [headers.authorization?.replace(/^Bearer /, '')];
  for (const name of ['assertion', 'refresh_token', 'client_secret', 'subject_token'])
    sent.push(new URLSearchParams(body).get(name) ?? undefined);
  return sent.filter((secret) => secret !== undefined && secret.length > 8) as string[];
}

async function passOn(
  { method = 'GET', url = '/', headers }: IncomingMessage,
  body: string,
  response: ServerResponse,
  emulatedUrl: string,
  origin: string,
  secrets: Set<string>,
): Promise<void> {
  const to = new URL(emulatedUrl);
  const outgoing = httpRequest({
    hostname: to.hostname,
    port: to.port,
    method,
    path: url,
    headers,
    agent: false,
  });
  outgoing.end(body);
  const incoming = await new Promise<IncomingMessage>((resolve, reject) =>
    outgoing.on('response', resolve).on('error', reject),
  );
  const text = (await readBody(incoming)).toString();
  for (const [, secret = ''] of text.matchAll(
    /"(?:access_token|id_token|token|value|signedJwt)": ?"([^"]+)"/g,
  ))
    secrets.add(secret);
  const { 'content-length': _, ...kept } = incoming.headers;
  response.writeHead(incoming.statusCode ?? 502, kept).end(text.replaceAll(emulatedUrl, origin));
}
