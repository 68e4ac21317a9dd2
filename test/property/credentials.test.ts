import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HeaderMode } from '../../src/config/config.ts';
import { composeHead, decide } from '../../src/relay/decide.ts';
import { heldToken, requestHead, route, site } from '../support/sites.ts';

const OURS = 'ours.ours.ours';
const THEIRS = 'theirs';

const RESERVED = ['authorization', 'x-serverless-authorization', 'proxy-authorization'] as const;
type Reserved = (typeof RESERVED)[number];

/** The same name in random case, with `-` sometimes written `_`. */
function spellings(name: string, underscores: boolean): fc.Arbitrary<string> {
  return fc
    .array(fc.nat(7), { minLength: name.length, maxLength: name.length })
    .map((dice) =>
      [...name]
        .map((c, i) =>
          c === '-' && underscores && dice[i] === 0 ? '_' : (dice[i] ?? 0) % 2 === 1 ? c.toUpperCase() : c,
        )
        .join(''),
    );
}

const headerName = fc.oneof(
  ...RESERVED.map((name) => spellings(name, true)),
  ...[
    'connection',
    'host',
    'te',
    'transfer-encoding',
    'x-forwarded-for',
    'forwarded',
    'keep-alive',
    'upgrade',
    'trailer',
    'expect',
  ].map((name) => spellings(name, false)),
  fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/),
);

const connectionValue = fc
  .array(
    fc.oneof(
      fc.constantFrom('', 'close', 'keep-alive', 'host', 'x-goog-user-project', 'x-forwarded-for'),
      ...RESERVED.map((name) => spellings(name, false)),
    ),
    { maxLength: 4 },
  )
  .map((names) => names.join(', '));

const line = headerName.chain((name) =>
  (/^connection$/i.test(name)
    ? connectionValue
    : fc.constantFrom(`Bearer ${THEIRS}`, `Basic ${THEIRS}`, '', THEIRS, 'chunked')
  ).map((value): [string, string] => [name, value]),
);

const MODES: readonly HeaderMode[] = [
  'auto',
  'authorization',
  'x-serverless-authorization',
  'proxy-authorization',
];

test('R17, R18, R19: 100,000 random header sets, and never zero, two or a client’s own credential where ours belongs', () => {
  const modes = MODES.flatMap((header) =>
    ([undefined, 'X-Serverless-Authorization', 'Proxy-Authorization'] as const).map((spareHeader) =>
      site(route({ header, spareHeader })),
    ),
  );
  const tally = { forwarded: 0, refused: 0 };
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.nat(modes.length - 1), (pairs, index) => {
      const chosen = modes[index];
      assert.ok(chosen);
      const decision = decide(chosen, requestHead({ lines: ['Host', 'localhost', ...pairs.flat()] }));
      if (decision.kind !== 'forward') {
        tally.refused += 1;
        return;
      }
      tally.forwarded += 1;
      const lines = composeHead(decision, heldToken(OURS));
      const found = credentialsIn(lines);
      const ours = found.filter(({ value }) => value === `Bearer ${OURS}`);
      assert.equal(ours.length, 1, 'exactly one credential of ours');
      const carrier = ours[0]?.name;
      assert.equal(carrier, decision.placement.header?.toLowerCase());
      assert.equal(found.filter(({ name }) => name === carrier).length, 1, 'and nothing else in its header');
      const others = found.filter(({ value }) => value !== `Bearer ${OURS}`);
      // All that may be left of the client's is one Authorization, where the token travels in another header.
      assert.ok(others.length <= 1 && others.every(({ name }) => name === 'authorization'));
      if (others.length === 1) assert.notEqual(carrier, 'authorization');
      assert.equal(lines.filter((_, i) => i % 2 === 0 && lines[i]?.toLowerCase() === 'host').length, 1);
    }),
    { numRuns: 100_000 },
  );
  assert.ok(tally.forwarded > 20_000, `only ${tally.forwarded} of 100,000 were forwarded`);
});

function credentialsIn(lines: readonly string[]): { name: Reserved; value: string }[] {
  const found: { name: Reserved; value: string }[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = RESERVED.find((reserved) => reserved === lines[i]?.toLowerCase().replaceAll('_', '-'));
    if (name !== undefined) found.push({ name, value: lines[i + 1] ?? '' });
  }
  return found;
}
