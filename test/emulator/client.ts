import { createSign } from 'node:crypto';
import { request } from 'node:http';
import type { TestContext } from 'node:test';
import { createEmulator, type Emulator, type EmulatorOptions } from '../../src/emulator/emulator.ts';

/** An emulator that ends with the test. */
export async function startEmulator(t: TestContext, options: EmulatorOptions = {}): Promise<Emulator> {
  const emulator = await createEmulator(options);
  t.after(() => emulator.close());
  return emulator;
}

export interface Reply {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON. */
  json(): Record<string, unknown>;
}

export interface Call {
  readonly method?: string;
  /** Lines on the wire, beside `Host`. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly host?: string;
  readonly body?: string | Buffer;
}

/** One request over its own connection, with exactly these header lines and the path as it is written. */
export function call(url: string, { method = 'GET', headers = [], host, body }: Call = {}): Promise<Reply> {
  const { origin, hostname, port, host: ownHost } = new URL(url);
  const target = { hostname, port, path: url.slice(origin.length) || '/' };
  const lines = [['Host', host ?? ownHost], ...headers, ['Connection', 'close']];
  if (body !== undefined) lines.push(['Content-Length', String(Buffer.byteLength(body))]);
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...target, method, headers: lines.flat(), agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const whole = Buffer.concat(chunks);
        const text = whole.toString('utf8');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: whole,
          text,
          json: () => JSON.parse(text),
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** `[Authorization, Bearer …]` */
export function bearer(token: string): readonly [string, string] {
  return ['Authorization', `Bearer ${token}`];
}

/** A form or JSON posted. */
export function post(
  url: string,
  body: URLSearchParams | object,
  headers: Call['headers'] = [],
): Promise<Reply> {
  const form = body instanceof URLSearchParams;
  const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
  const text = form ? body.toString() : JSON.stringify(body);
  return call(url, { method: 'POST', headers: [...headers, ['Content-Type', type]], body: text });
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A compact JWT with any header over any claims; `sign` gives the third part. */
export function forge(header: object, claims: object, sign: (input: string) => string): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${sign(input)}`;
}

/** RS256 with a private key in PEM. */
export function signRs256(key: unknown): (input: string) => string {
  const pem = String(key);
  return (input) => createSign('RSA-SHA256').update(input).sign(pem, 'base64url');
}

/** The claims of a JWT, unchecked. */
export function readToken(token: unknown): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString('utf8'));
}

/** The header of a JWT. */
export function readTokenHeader(token: unknown): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(token).split('.')[0] ?? '', 'base64url').toString('utf8'));
}

export interface Assertion {
  /** Whose key file signs. */
  readonly file: Readonly<Record<string, unknown>>;
  /** Epoch ms. */
  readonly nowMs: number;
  /** Claims over, or instead of, the usual ones. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** An assertion as Google's libraries sign it, apart from the claims given. */
export function signAssertion({ file, nowMs, claims = {} }: Assertion): string {
  const iat = Math.floor(nowMs / 1000);
  const usual = { iss: file.client_email, aud: 'https://oauth2.googleapis.com/token', iat, exp: iat + 3600 };
  return forge({ alg: 'RS256' }, { ...usual, ...claims }, signRs256(file.private_key));
}

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** Posts an assertion to the token endpoint. */
export function exchange(emulator: Emulator, assertion: string): Promise<Reply> {
  return post(emulator.google.tokenUrl, new URLSearchParams({ grant_type: JWT_BEARER, assertion }));
}

/** An ID token for an audience, bought with a key file. */
export async function mintIdToken(
  emulator: Emulator,
  audience: string,
  { file = emulator.credentials.serviceAccount, nowMs = Date.now() } = {},
): Promise<string> {
  const reply = await exchange(
    emulator,
    signAssertion({ file, nowMs, claims: { target_audience: audience } }),
  );
  return String(reply.json().id_token);
}

/** An access token bought with a key file. */
export async function mintAccessToken(
  emulator: Emulator,
  scope: string,
  { file = emulator.credentials.serviceAccount, nowMs = Date.now() } = {},
): Promise<string> {
  const reply = await exchange(emulator, signAssertion({ file, nowMs, claims: { scope } }));
  return String(reply.json().access_token);
}

/** An access and an ID token bought with the user's refresh token. */
export async function refreshUser(emulator: Emulator, fields: Record<string, string> = {}): Promise<Reply> {
  const { client_id, client_secret, refresh_token } = emulator.credentials.authorizedUser;
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: String(client_id),
    client_secret: String(client_secret),
    refresh_token: String(refresh_token),
    ...fields,
  });
  return post(emulator.google.tokenUrl, form);
}

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** Exchanges a token of GitHub's for a federated one, with fields over, or instead of, the usual ones. */
export async function exchangeSubject(
  emulator: Emulator,
  fields: Readonly<Record<string, string | undefined>> = {},
): Promise<Reply> {
  const all = {
    grant_type: TOKEN_EXCHANGE,
    audience: `//iam.googleapis.com/${emulator.federation.providers.github}`,
    scope: 'https://www.googleapis.com/auth/cloud-platform',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    subject_token: fields.subject_token ?? (await emulator.federation.issueOidcToken()),
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    ...fields,
  };
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(all)) if (value !== undefined) form.set(name, value);
  return post(`${emulator.google.url}/v1/token`, form);
}

/** Where the IAM Service Account Credentials API does something for an account. */
export function iamUrl(emulator: Emulator, account: string, verb: string): string {
  return `${emulator.google.iamCredentialsUrl}/v1/projects/-/serviceAccounts/${account}:${verb}`;
}

/** A service that must be there. */
export function serviceUrl(emulator: Emulator, name: keyof Emulator['services']): string {
  const service = emulator.services[name];
  if (service === undefined) throw new Error(`${name} was not started`);
  return service.url;
}
