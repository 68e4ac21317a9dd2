import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ERROR_CODES, type ErrorCode, ProxyError } from '../../src/errors.ts';
import { type Answer, toAskAnswer, toErrorAnswer } from '../../src/relay/answers.ts';
import { decide } from '../../src/relay/decide.ts';
import { CROSS_SITE_VISIT, requestHead, route, site } from '../support/sites.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc
    .array(
      fc.constantFrom(
        '<script>',
        '"',
        "'",
        '&',
        '\r\n',
        '\0',
        '</a>',
        'https://',
        'a.example',
        '%',
        '\ud800',
        'é',
      ),
      {
        maxLength: 6,
      },
    )
    .map((parts) => parts.join('')),
);
const code = fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[]));
const failure = fc
  .record({
    code,
    message: text,
    hint: fc.option(text, { nil: undefined }),
    retryAfterMs: fc.option(fc.double({ min: 0, max: 1e9, noNaN: true }), { nil: undefined }),
  })
  .map(({ code, message, hint, retryAfterMs }) => new ProxyError(code, message, { hint, retryAfterMs }));

/** Field lines that Node would send, with the length of the body among them (RFC 9110, section 5.5). */
function assertWellFormed({ status, lines, body }: Answer): void {
  assert.ok(status >= 200 && status < 600);
  for (let i = 0; i < lines.length; i += 2) {
    assert.match(lines[i] ?? '', /^[A-Za-z-]+$/);
    assert.match(lines[i + 1] ?? '', /^[\x20-\x7e]*$/);
  }
  assert.equal(lines[lines.indexOf('Content-Length') + 1], String(Buffer.byteLength(body)));
  assert.ok(lines.includes('Proxy-Status') && lines.includes('no-store'));
}

test('the proxy’s own answers are well-formed whatever they quote, as JSON and as gRPC (10,000 failures)', () => {
  const grpcType = fc.constantFrom(undefined, 'application/grpc', 'application/grpc-web+proto');
  fc.assert(
    fc.property(failure, fc.option(text, { nil: undefined }), grpcType, (error, route, grpcType) => {
      const answer = toErrorAnswer(error, { route, requestId: 'abc-1', grpcType });
      assertWellFormed(answer);
      if (grpcType !== undefined) {
        assert.equal(answer.body, '');
        return;
      }
      const { error: said } = JSON.parse(answer.body) as { error: Record<string, unknown> };
      const { code, message, hint } = error;
      assert.deepEqual(said, {
        code,
        message,
        ...(hint !== undefined && { hint }),
        ...(route !== undefined && { route }),
        requestId: 'abc-1',
      });
    }),
    { numRuns: 10_000 },
  );
});

test('R6: nothing of a visitor’s request becomes markup of the page that asks (10,000 visits)', () => {
  const error = new ProxyError('cross_site_request', 'Another site sent you.');
  const frame = toAskAnswer(error, 'http://localhost/', 'https://a.example/').body.replaceAll(/[^<>]+/g, '');
  fc.assert(
    fc.property(text, fc.option(text, { nil: undefined }), (target, from) => {
      const answer = toAskAnswer(error, `http://localhost:8080/${target}`, from);
      assertWellFormed(answer);
      const markup = answer.body.replaceAll(/[^<>]+/g, '');
      // Without an origin that can be named there is no <code> around it.
      assert.ok(markup === frame || markup === frame.replace('<><>', ''), answer.body);
      const [, href = ''] = /<a href="([^"]*)" rel="noreferrer">/.exec(answer.body) ?? [];
      assert.ok(href.startsWith('http://localhost:8080/') && !/[<>"']/.test(href), href);
    }),
    { numRuns: 10_000 },
  );
});

test('R6: wherever a visitor is asked, going on leads to this proxy and nowhere else (10,000 targets)', () => {
  const lines = ['Host', 'localhost:8080', ...CROSS_SITE_VISIT];
  const piece = fc.constantFrom(
    '/',
    '//',
    '@',
    'evil.example',
    '?',
    ':',
    '\\',
    '%5c',
    '..',
    '#',
    'http:',
    'http://localhost',
    '\t',
  );
  const target = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(''));
  const all = site(route());
  fc.assert(
    fc.property(
      fc.oneof(
        target,
        target.map((rest) => `/${rest}`),
      ),
      (target) => {
        const decision = decide(all, requestHead({ target, lines }));
        if (decision.kind === 'ask')
          // An absolute-form target has an authority of its own, which the gate let in.
          assert.match(URL.parse(decision.url)?.origin ?? '', /^http:\/\/localhost(?::8080)?$/, target);
        else assert.equal(decision.kind, 'answer');
      },
    ),
    { numRuns: 10_000 },
  );
});
