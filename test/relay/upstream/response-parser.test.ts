import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BadResponseError, ResponseParser } from '../../../src/relay/upstream/response-parser.ts';

interface Parsed {
  readonly interim: readonly (readonly [number, readonly string[]])[];
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly lines: string[];
  readonly body: string;
  readonly trailers: readonly string[] | undefined;
  readonly isComplete: boolean;
  readonly keepsAlive: boolean;
}

/** Parses a response that arrives in pieces of these sizes (the last one repeats), and then the connection's end. */
function parse(text: string, { method = 'GET', sizes = [text.length || 1], end = false } = {}): Parsed {
  let head: [number, string, string[]] | undefined;
  let body = '';
  let trailers: readonly string[] | undefined;
  let completions = 0;
  const interim: [number, readonly string[]][] = [];
  const parser = new ResponseParser({
    onInterim: (...args) => {
      assert.equal(head, undefined, 'interim ones first');
      interim.push(args);
    },
    onHead: (...args) => {
      assert.equal(head, undefined, 'one head');
      head = args;
    },
    onBody: (chunk) => {
      assert.ok(head !== undefined && completions === 0 && chunk.length > 0);
      body += chunk.toString('latin1');
    },
    onComplete: (lines) => {
      completions += 1;
      trailers = lines;
    },
  });
  parser.expect(method);
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[Math.min(i, sizes.length - 1)] ?? 1;
    parser.read(bytes.subarray(at, at + size));
    at += size;
  }
  if (end) parser.finish();
  assert.ok(completions <= 1);
  const [status, reason, lines = []] = head ?? [];
  return {
    interim,
    status,
    reason,
    lines,
    body,
    trailers,
    isComplete: completions === 1,
    keepsAlive: parser.keepsAlive,
  };
}

const OK = 'HTTP/1.1 200 OK\r\n';

test('a response is the same however its bytes are cut into pieces', () => {
  const responses = [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b c\t\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x="y"\r\nlo\r\n0\r\nX-T: 1\r\nx-t:2\t\r\nEmpty:\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello',
  ];
  for (const response of responses) {
    const whole = parse(response);
    assert.equal(whole.status, 200);
    assert.equal(whole.body, 'hello');
    assert.ok(whole.isComplete && whole.keepsAlive);
    for (let size = 1; size < response.length; size += 1)
      assert.deepEqual(parse(response, { sizes: [size] }), whole);
  }
  assert.deepEqual(parse(responses[1] ?? '').trailers, ['X-T', '1', 'x-t', '2', 'Empty', '']);
  assert.deepEqual(parse(responses[0] ?? '').trailers, []);
  assert.deepEqual(parse(responses[2] ?? '').interim, [
    [103, ['Link', '</a>']],
    [100, []],
  ]);
  assert.deepEqual(parse(responses[0] ?? '').lines.slice(2), [
    'X-A',
    'b c',
    'Set-Cookie',
    'a',
    'set-cookie',
    'b',
  ]);
});

test('R36: what can have no content ends with its head', () => {
  for (const [status, method] of [
    [200, 'HEAD'],
    [204, 'GET'],
    [304, 'GET'],
  ] as const) {
    for (const framing of ['', 'Content-Length: 10\r\n', 'Transfer-Encoding: chunked\r\n']) {
      assert.ok(
        parse(`HTTP/1.1 ${status} X\r\n${framing}\r\n`, { method }).isComplete,
        `${status} ${framing}`,
      );
    }
  }
});

test('R36: a trailer section behind a response without content is not taken for one', () => {
  const chunked = 'Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n';
  const trailers = '0\r\nX-T: 1\r\n\r\n';
  for (const [status, method] of [
    [200, 'HEAD'],
    [204, 'GET'],
    [304, 'GET'],
  ] as const) {
    const head = parse(`HTTP/1.1 ${status} X\r\n${chunked}`, { method });
    assert.deepEqual([head.isComplete, head.body, head.trailers], [true, '', []]);
    const text = `HTTP/1.1 ${status} X\r\n${chunked}${trailers}`;
    assert.throws(() => parse(text, { method }), BadResponseError);
  }
});

test('R34: interim responses are bounded by number and by size, and a flood of them is refused', () => {
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
  const flood = parse(`${early.repeat(100)}${OK}Content-Length: 0\r\n\r\n`);
  assert.equal(flood.interim.length, 100);
  assert.equal(flood.status, 200);
  assert.throws(() => parse(early.repeat(101)), BadResponseError);
  const large = `HTTP/1.1 103 X\r\nLink: ${'x'.repeat(20_000)}\r\n\r\n`;
  assert.equal(parse(large.repeat(3)).interim.length, 3);
  assert.throws(() => parse(large.repeat(4)), BadResponseError);
});

test('a 204 or 304 that announces content is the last on its connection: the content might still come', () => {
  assert.equal(parse('HTTP/1.1 204 X\r\nContent-Length: 10\r\n\r\n').keepsAlive, false);
  assert.equal(parse('HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n').keepsAlive, false);
  assert.equal(parse('HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n').keepsAlive, true);
  assert.equal(parse('HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\n', { method: 'HEAD' }).keepsAlive, true);
});

test('without a length a response lasts as long as its connection', () => {
  const response = 'HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nhello';
  assert.equal(parse(response).isComplete, false);
  const ended = parse(response, { end: true, sizes: [4] });
  assert.ok(ended.isComplete && !ended.keepsAlive);
  assert.equal(ended.body, 'hello');
});

test('a connection is kept as Connection and the version say', () => {
  const keeps = (version: string, connection: string) =>
    parse(`HTTP/${version} 200 OK\r\nContent-Length: 0\r\n${connection}\r\n`).keepsAlive;
  assert.equal(keeps('1.1', ''), true);
  assert.equal(keeps('1.1', 'Connection: x, Close\r\n'), false);
  assert.equal(keeps('1.1', 'Connection: keep-alive\r\nconnection: close\r\n'), false);
  assert.equal(keeps('1.0', ''), false);
  assert.equal(keeps('1.0', 'Connection: Keep-Alive\r\n'), true);
});

test('R35: what two readers could see differently is refused, in one piece or byte by byte', () => {
  const bad = [
    'SSH-2.0-OpenSSH\r\n',
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'HTTP/1.1 99 OK\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
    `${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`,
    `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
    `${OK}Content-Length: 1, 1\r\n\r\nx`,
    `${OK}Content-Length: +1\r\n\r\nx`,
    `${OK}Content-Length: 0x1\r\n\r\nx`,
    `${OK}Content-Length: -1\r\n\r\n`,
    `${OK}Content-Length: \r\n\r\n`,
    `${OK}Content-Length: 9999999999999999\r\n\r\n`,
    `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    `${OK}Content-Length : 0\r\n\r\n`,
    `${OK} folded: x\r\n\r\n`,
    `${OK}X-A: 1\r\n folded\r\n\r\n`,
    `${OK}no colon\r\n\r\n`,
    `${OK}: no name\r\n\r\n`,
    `${OK}Bad Name: x\r\n\r\n`,
    `${OK}X-A: a\u0000b\r\n\r\n`,
    `${OK}X-A: a\rb\r\n\r\n`,
    `${OK}X-A: a\nX-B: b\r\n\r\n`,
    `${OK}X-Big: ${'x'.repeat(70_000)}\r\n\r\n`,
    `${OK}Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n`,
    `${OK}Content-Length: 1\r\n\r\nxy`,
    ...[
      '1\nx\r\n',
      '1\r\nx\n',
      '+1\r\nx\r\n',
      '0x1\r\nx\r\n',
      '-1\r\n',
      'g\r\n',
      ' 1\r\nx\r\n',
      '\r\n',
      '1\r\nxy\r\n',
      `${'f'.repeat(13)}\r\n`,
      `1;${'x'.repeat(2_000)}\r\n`,
      '0\r\nX: \u0000\r\n\r\n',
      `0\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      '0\r\nno colon\r\n\r\n',
      '0\r\n: no name\r\n\r\n',
      '0\r\nX : 1\r\n\r\n',
      '0\r\nBad Name: 1\r\n\r\n',
      '0\r\nX: 1\r\n folded\r\n\r\n',
      '0\r\nX: 1\r\n\tfolded: 2\r\n\r\n',
      '0\r\nX: 1\nY: 2\r\n\r\n',
      '0\r\nX: a\rb\r\n\r\n',
      `0\r\n${'X:\r\n'.repeat(257)}\r\n`,
    ].map((chunks) => `${OK}Transfer-Encoding: chunked\r\n\r\n${chunks}`),
    'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(101),
  ];
  for (const response of bad) {
    const name = JSON.stringify(response.slice(0, 90));
    assert.throws(() => parse(response), BadResponseError, name);
    if (response.length < 5_000)
      assert.throws(() => parse(response, { sizes: [1] }), BadResponseError, `${name} by bytes`);
  }
});

test('whatever bytes arrive, the parser gives a response or refuses, and cuts make no difference (20,000 mutations)', () => {
  const piece = fc.constantFrom(
    'HTTP/1.1 200 OK',
    'HTTP/1.0 404 Not Found',
    '\r\n',
    '\r\n\r\n',
    '\n',
    '\r',
    'Content-Length: 3',
    'Content-Length: 03',
    'Transfer-Encoding: chunked',
    'transfer-encoding:\tchunked ',
    'Connection: close',
    ': ',
    ' ',
    '3\r\nabc\r\n',
    '0\r\n\r\n',
    'abc',
    'X: y',
    'X: y\r\n',
    'HTTP/1.1 103 Early Hints',
    'HTTP/1.1 100 \r\n\r\n',
    'HTTP/1.1 101 ',
    '\u0000',
    '\xff',
    ',',
  );
  const usual = fc.constantFrom(
    `${OK}Content-Length: 3\r\n\r\nabc`,
    `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX-T: y\r\nX-U: z\r\n\r\n`,
    `HTTP/1.1 103 X\r\nLink: x\r\n\r\nHTTP/1.1 100 X\r\n\r\n${OK}Content-Length: 1\r\n\r\na`,
    `${OK}X-A: b\r\n\r\nabc`,
  );
  const mutated = fc
    .tuple(usual, fc.array(fc.tuple(fc.nat(100), fc.nat(3), piece), { maxLength: 3 }))
    .map(([text, edits]) =>
      edits.reduce<string>(
        (edited, [at, cut, insert]) => edited.slice(0, at) + insert + edited.slice(at + cut),
        text,
      ),
    );
  const outcome = (text: string, sizes: number[]): unknown => {
    try {
      return parse(text, { sizes, end: true });
    } catch (error) {
      if (!(error instanceof BadResponseError)) throw error;
      return 'refused';
    }
  };
  fc.assert(
    fc.property(
      mutated,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      (text, sizes) => {
        assert.deepEqual(outcome(text, sizes), outcome(text, [text.length + 1]));
      },
    ),
    { numRuns: 20_000 },
  );
});
