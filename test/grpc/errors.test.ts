import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type Client, status as codes } from '@grpc/grpc-js';
import type { TokenSource } from '../../src/auth/token-source.ts';
import { ProxyError } from '../../src/errors.ts';
import type { Route } from '../../src/relay/site.ts';
import { startHttp2Upstream } from '../support/http2.ts';
import { type RelayOptions, startRelay } from '../support/relays.ts';
import { heldToken, rules, staticTokens } from '../support/sites.ts';
import { closedPort, startRawUpstream, startUpstream } from '../support/sockets.ts';
import { callUnary, openDuplex, openInput } from './calls.ts';
import { startInteropServer } from './interop-server.ts';
import { METHODS } from './testing-service.ts';
import { createClient, toEndpoint } from './ways.ts';

/** A client of a proxy with one route to an upstream. */
async function createClientOf(
  t: TestContext,
  origin: string,
  change: Partial<Route> = {},
  options: RelayOptions & { readonly channel?: Record<string, string | number> } = {},
): Promise<Client> {
  const relay = await startRelay(t, origin, change, options);
  return createClient(t, toEndpoint(relay.url), options.channel);
}

/** The status of a unary call, which must be that of a call that streams requests as well. */
async function statusOf(client: Client): Promise<readonly [code: number, details: string]> {
  const unary = await callUnary(client, METHODS.empty, {});
  const streaming = await openInput(client, METHODS.input).outcome;
  assert.equal(streaming.status.code, unary.status.code, streaming.status.details);
  return [unary.status.code, unary.status.details];
}

/** A source that fails as it is told to, and has a token after that. */
function failingTokens(...failures: readonly ProxyError[]): TokenSource {
  const left = [...failures];
  return {
    ...staticTokens('token'),
    current: () => undefined,
    async obtain() {
      const failure = left.shift();
      if (failure !== undefined) throw failure;
      return heldToken('token');
    },
  };
}

test('R48: a call that no route takes is UNIMPLEMENTED', async (t) => {
  const client = await createClientOf(t, 'http://127.0.0.1:1', { path: '/shop.v1.Orders' });
  const [code, details] = await statusOf(client);
  assert.equal(code, codes.UNIMPLEMENTED);
  assert.match(
    details,
    /^No route takes \/grpc\.testing\.TestService\/EmptyCall on host 127\.0\.0\.1\. Routes: /,
  );
});

test('R48: a route without a token now is UNAVAILABLE, which clients try again', async (t) => {
  const { origin, authorizations } = await startInteropServer(t);
  const failure = new ProxyError('token_unavailable', 'There is no token for route /.', {
    retryAfterMs: 1_000,
  });
  const always = await createClientOf(t, origin, { tokens: failingTokens(failure, failure) });
  assert.equal((await statusOf(always))[0], codes.UNAVAILABLE);
  assert.deepEqual(authorizations, [], 'no token, no request');

  const retryPolicy = {
    maxAttempts: 3,
    initialBackoff: '0.001s',
    maxBackoff: '0.001s',
    backoffMultiplier: 1,
    retryableStatusCodes: ['UNAVAILABLE'],
  };
  const config = { methodConfig: [{ name: [{}], retryPolicy }] };
  const client = await createClientOf(
    t,
    origin,
    { tokens: failingTokens(failure, failure) },
    { channel: { 'grpc.service_config': JSON.stringify(config) } },
  );
  const { status } = await callUnary(client, METHODS.empty, {});
  assert.equal(status.code, codes.OK, status.details);
  assert.deepEqual(authorizations, [['Bearer token']]);
});

test('R48: credentials that somebody has to mend are UNAUTHENTICATED, with the command that helps', async (t) => {
  const hint = 'Run: gcloud auth application-default login ☺';
  const failure = new ProxyError('credentials_invalid', 'The login has ended.', { hint });
  const client = await createClientOf(t, 'http://127.0.0.1:1', { tokens: failingTokens(failure, failure) });
  assert.deepEqual(await statusOf(client), [codes.UNAUTHENTICATED, `The login has ended. ${hint}`]);
});

test('R48: an upstream that refuses connections, drops them or stays silent is UNAVAILABLE', async (t) => {
  await t.test('refused', async (t) => {
    const client = await createClientOf(t, `http://127.0.0.1:${await closedPort()}`);
    const [code, details] = await statusOf(client);
    assert.equal(code, codes.UNAVAILABLE);
    assert.match(details, /refused the connection/);
  });
  await t.test('dropped', async (t) => {
    const { origin } = await startRawUpstream(t, (socket) => socket.resetAndDestroy());
    assert.equal((await statusOf(await createClientOf(t, origin)))[0], codes.UNAVAILABLE);
  });
  await t.test('dropped with the call under way', async (t) => {
    const { origin } = await startHttp2Upstream(t, (stream) => stream.session?.destroy());
    assert.equal((await statusOf(await createClientOf(t, origin)))[0], codes.UNAVAILABLE);
  });
  await t.test('silent', async (t) => {
    const { origin } = await startHttp2Upstream(t, () => {});
    const timeout = { connectMs: 5_000, headersMs: 300, idleMs: 300 };
    assert.equal((await statusOf(await createClientOf(t, origin, { timeout })))[0], codes.UNAVAILABLE);
  });
});

test('R48: an upstream that speaks HTTP/1.1 only is named as that, with the setting', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('hello'));
  const [code, details] = await statusOf(await createClientOf(t, origin));
  assert.equal(code, codes.UNAVAILABLE);
  assert.match(details, /doesn't speak HTTP\/2\. .*`protocol/);
});

test('R48: what the gate refuses is PERMISSION_DENIED', async (t) => {
  const { origin, authorizations } = await startInteropServer(t);
  const channel = { 'grpc.default_authority': 'rebound.example' };
  const [code, details] = await statusOf(await createClientOf(t, origin, {}, { channel }));
  assert.equal(code, codes.PERMISSION_DENIED);
  assert.match(details, /rebound\.example/);
  assert.deepEqual(authorizations, []);
});

test('R48: what a route doesn’t let through is PERMISSION_DENIED, or RESOURCE_EXHAUSTED for what is too much', async (t) => {
  const server = await startInteropServer(t);
  const readOnly = await createClientOf(t, server.origin, rules({ methods: ['GET'], readOnly: true }));
  const [code, details] = await statusOf(readOnly);
  assert.equal(code, codes.PERMISSION_DENIED);
  assert.match(details, /^Route \/ is read-only .*: no POST\. .*`readOnly: true`/);
  const paths = rules({ paths: ['/grpc.testing.TestService/EmptyCall'] });
  const closed = await createClientOf(t, server.origin, paths);
  assert.equal((await callUnary(closed, METHODS.empty, {})).status.code, codes.OK);
  assert.equal((await openInput(closed, METHODS.input).outcome).status.code, codes.PERMISSION_DENIED);
  const small = await createClientOf(t, server.origin, rules({ bodyBytes: 100 }));
  const payload = { body: Buffer.alloc(40) };
  const { call, outcome } = openInput(small, METHODS.input);
  const opened = once(server.events, 'call');
  call.write({ payload });
  await opened;
  for (let i = 0; i < 3; i += 1) call.write({ payload });
  const { status } = await outcome;
  assert.equal(status.code, codes.RESOURCE_EXHAUSTED);
  assert.match(status.details, /^Route \/ takes bodies of at most 100 bytes\. /);
});

test('R48: one call too many is UNAVAILABLE at once, and the next has its place again', async (t) => {
  const server = await startInteropServer(t);
  const client = await createClientOf(t, server.origin, {}, { maxRequests: 1 });
  const open = openDuplex(client, METHODS.fullDuplex);
  await once(server.events, 'call');
  const [code, details] = await statusOf(client);
  assert.equal(code, codes.UNAVAILABLE);
  assert.match(details, /^There are 1 requests in flight/);
  open.call.end();
  assert.equal((await open.outcome).status.code, codes.OK);
  assert.equal((await callUnary(client, METHODS.empty, {})).status.code, codes.OK);
});

test("R48: refusals of Google's front end pass, and clients name them", async (t) => {
  const pages = new Map([
    [401, codes.UNAUTHENTICATED],
    [403, codes.PERMISSION_DENIED],
    [404, codes.UNIMPLEMENTED],
    [503, codes.UNAVAILABLE],
  ]);
  for (const [httpStatus, expected] of pages) {
    const { origin } = await startHttp2Upstream(t, (stream) => {
      stream.respond({ ':status': httpStatus, 'content-type': 'text/html; charset=UTF-8' });
      stream.end(
        '<html><head><title>Error</title></head><body>Your client does not have permission</body></html>',
      );
    });
    assert.equal((await statusOf(await createClientOf(t, origin)))[0], expected, `${httpStatus}`);
  }
});

/** As Google's front end has it. */
const FRONT_END_PAGE = `<html><head>
<meta http-equiv="content-type" content="text/html;charset=utf-8">
<title>401 Unauthorized</title>
</head>
<body text=#000000 bgcolor=#ffffff>
<h1>Error: Unauthorized</h1>
<h2>Your client does not have permission to the requested URL <code>/grpc.testing.TestService/EmptyCall</code>.</h2>
<h2></h2>
</body></html>`;

test('R56: a call that Google refuses is not sent again, as it has content; the next one has a new token', async (t) => {
  const seen: unknown[] = [];
  const { origin } = await startHttp2Upstream(t, (stream, headers) => {
    seen.push(headers.authorization);
    stream.resume();
    if (headers.authorization === 'Bearer new') {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' },
        { endStream: true },
      );
      return;
    }
    stream.respond({
      ':status': 401,
      'content-type': 'text/html; charset=UTF-8',
      'www-authenticate':
        'Bearer error="invalid_token" error_description="The access token could not be verified"',
    });
    stream.end(FRONT_END_PAGE);
  });
  let token = heldToken('old');
  const tokens: TokenSource = {
    ...staticTokens('old'),
    current: () => token,
    async replace() {
      token = heldToken('new');
      return token;
    },
  };
  const client = await createClientOf(t, origin, { tokens });
  assert.equal((await callUnary(client, METHODS.empty, {})).status.code, codes.UNAUTHENTICATED);
  assert.deepEqual(seen, ['Bearer old']);
  assert.equal((await callUnary(client, METHODS.empty, {})).status.code, codes.NOT_FOUND);
  assert.deepEqual(seen, ['Bearer old', 'Bearer new']);
});
