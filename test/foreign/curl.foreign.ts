import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { createTestAuthority } from '../support/certificates.ts';
import { type RelayOptions, startRelay } from '../support/relays.ts';
import { readBody, startUpstream } from '../support/sockets.ts';
import { createFolder } from '../support/stack.ts';

// curl as a client of the proxy: `npm run test:foreign`.

const run = promisify(execFile);

/** Runs curl, with what it is given on its standard input. */
async function curl(args: readonly string[], input: string | Buffer = ''): Promise<string> {
  const running = run('curl', ['--silent', '--show-error', '--noproxy', '*', '--max-time', '20', ...args], {
    maxBuffer: 16_000_000,
  });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

/** A relay to an upstream that tells what reached it: method, target, scheme, and a digest of the content. */
async function startTelling(t: TestContext, options: RelayOptions = {}) {
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = await readBody(request);
    const sha = createHash('sha256').update(body).digest('hex').slice(0, 8);
    const { 'x-forwarded-proto': scheme, expect = 'no' } = request.headers;
    response.setHeader('X-Sum', sha);
    response.end(`${request.method} ${request.url} ${scheme} ${body.length} ${sha} expect:${expect}\n`);
  });
  return startRelay(t, origin, {}, options);
}

const STATUS = '%{http_code} HTTP/%{http_version}';

test('every version of HTTP that curl speaks is served on one port', async (t) => {
  const { url } = await startTelling(t);
  for (const [args, version] of [
    [['--http1.0'], '1.1'],
    [['--http1.1'], '1.1'],
    // The offer to upgrade (RFC 7540, section 3.2) is not taken up, and the request is served as it is, its content included.
    [['--http2'], '1.1'],
    [['--http2', '--data-binary', '@-'], '1.1'],
    [['--http2-prior-knowledge'], '2'],
    [['--http2-prior-knowledge', '--data-binary', '@-'], '2'],
    [['--http1.1', '--upload-file', '-'], '1.1'],
    [['--http2-prior-knowledge', '--upload-file', '-'], '2'],
  ] as const) {
    const said = await curl([...args, '--write-out', STATUS, `${url}/x`], 'hello');
    const length = args.length > 1 ? 5 : 0;
    assert.match(said, new RegExp(`^(GET|POST|PUT) /x http ${length} `), args.join(' '));
    assert.ok(said.endsWith(`200 HTTP/${version}`), args.join(' '));
  }
});

test('R20: curl asks before a large upload, is told to go on by the upstream, and all of it arrives', async (t) => {
  const { url } = await startTelling(t);
  const content = randomBytes(3_000_000);
  const sha = createHash('sha256').update(content).digest('hex').slice(0, 8);
  const file = join(await createFolder(t), 'content');
  await writeFile(file, content);
  const ask = ['--header', 'Expect: 100-continue'];
  for (const version of ['--http1.1', '--http2-prior-knowledge']) {
    const said = await curl([version, ...ask, '--upload-file', file, `${url}/up`]);
    assert.equal(said, `PUT /up http 3000000 ${sha} expect:100-continue\n`, version);
    const inPieces = ['--header', 'Transfer-Encoding: chunked', '--upload-file', file];
    assert.match(await curl([version, ...inPieces, `${url}/up`]), new RegExp(` 3000000 ${sha} `), version);
  }
});

test('R44: curl reads the whole of an early refusal while it uploads, and stops', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => {
    response.writeHead(413).end('too large'.repeat(1_000));
  });
  const { url } = await startRelay(t, origin, {}, { lingerMs: 500 });
  for (const version of ['--http1.1', '--http2-prior-knowledge']) {
    const said = await curl([
      version,
      '--upload-file',
      process.execPath,
      '--write-out',
      ' %{http_code}',
      url,
    ]);
    assert.match(said, /^(too large){1000} 413$/, version);
  }
});

test('R34: curl shows the early hints that an upstream sends', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' });
    response.end('ok');
  });
  const { url } = await startRelay(t, origin);
  assert.match(await curl(['--include', url]), /^HTTP\/1\.1 103 [\s\S]*a\.css[\s\S]*\r\nHTTP\/1\.1 200 /);
  assert.match(
    await curl(['--http2-prior-knowledge', '--include', url]),
    /^HTTP\/2 103 [\s\S]*a\.css[\s\S]*\r\nHTTP\/2 200 /,
  );
});

test('curl over TLS chooses HTTP/2 or HTTP/1.1, and reaches a Unix socket in either', async (t) => {
  const folder = await createFolder(t);
  const authority = createTestAuthority();
  const { cert, key } = authority.issue(['127.0.0.1', 'localhost']);
  const files = { caFile: join(folder, 'ca'), certFile: join(folder, 'cert'), keyFile: join(folder, 'key') };
  await writeFile(files.caFile, authority.cert);
  await writeFile(files.certFile, cert);
  await writeFile(files.keyFile, key);
  const secure = await startTelling(t, { tls: files });
  const { port } = new URL(secure.url);
  const resolve = ['--cacert', files.caFile, '--resolve', `localhost:${port}:127.0.0.1`];
  for (const [flag, version] of [
    ['--http2', '2'],
    ['--http1.1', '1.1'],
  ] as const) {
    const said = await curl([flag, ...resolve, '--write-out', STATUS, `https://localhost:${port}/s`]);
    assert.match(said, /^GET \/s https 0 /);
    assert.ok(said.endsWith(`200 HTTP/${version}`), flag);
  }
  const path = join(folder, 'proxy.sock');
  await startTelling(t, { address: { path } });
  for (const flag of ['--http2-prior-knowledge', '--http1.1'])
    assert.match(await curl([flag, '--unix-socket', path, 'http://localhost/u']), /^GET \/u http 0 /);
});
