import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeaderMode } from '../../src/config/config.ts';
import { composeHead, decide } from '../../src/relay/decide.ts';
import { createRandom, type Random } from '../faults/random.ts';
import { heldToken, requestHead, route, site } from '../support/sites.ts';

/** The sets are the same each time, unless PROPERTY_SEED says otherwise. */
const SEED = Number(process.env.PROPERTY_SEED ?? 20_261_127);
const SETS = 100_000;
const OURS = 'ours.ours.ours';
const THEIRS = 'theirs';

const CREDENTIALS = ['authorization', 'x-serverless-authorization', 'proxy-authorization'];
/** Never relayed, by any spelling (RFC 9110, section 7.6.1, and what the proxy says itself). */
const NEVER =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|http2-settings|content-length|expect|forwarded|x-forwarded-.*|x-serverless-authorization)$/;
/** Looked at, so that a second spelling of it must not be there for a server to look at. */
const READ = /^(?:origin|referer|cookie|content-type|authorization|sec-fetch-(?:site|mode|dest))$/;
/** What the proxy adds behind the client's own fields, beside the credential. */
const ADDED = /^(?:connection|te|trailer|x-forwarded-(?:for|host|proto|prefix))$/;

const NAMES = [
  ...[
    ...CREDENTIALS,
    ...CREDENTIALS,
    'connection',
    'connection',
    'host',
    'te',
    'transfer-encoding',
    'trailer',
  ],
  ...['content-length', 'expect', 'upgrade', 'keep-alive', 'http2-settings', 'forwarded', 'x-forwarded-for'],
  ...[
    'x-forwarded-anything',
    'proxy-connection',
    'proxy-anything',
    'origin',
    'referer',
    'cookie',
    'content-type',
  ],
  ...[
    'sec-fetch-site',
    'accept',
    'accept',
    'x-a',
    'x-a',
    'x-b',
    'x-goog-user-project',
    '__proto__',
    'constructor',
  ],
];
const VALUES = new Map<string, readonly string[]>(
  Object.entries({
    te: ['trailers', 'gzip', 'trailers;q=1, gzip'],
    expect: ['100-continue'],
    trailer: ['X-Sum', 'Authorization, X-Sum'],
    'content-length': ['5', '0'],
    'transfer-encoding': ['chunked', 'chunked', 'gzip'],
    origin: ['http://localhost:3000'],
    'sec-fetch-site': ['none', 'same-origin'],
    host: ['localhost', 'evil.example'],
  }),
);
const ANY_VALUE = [`Bearer ${THEIRS}`, `Basic ${THEIRS}`, '', THEIRS, 'a, b', 'trailers', '\xff'];
const MODES: readonly HeaderMode[] = [
  'auto',
  'authorization',
  'x-serverless-authorization',
  'proxy-authorization',
];

/** A name in random case, at times with `_` for `-`. */
function spell(name: string, random: Random): string {
  const style = random.between(0, 5);
  if (style === 0) return name.toUpperCase();
  if (style === 1) return name.replaceAll('-', '_');
  if (style > 2) return name;
  return [...name].map((letter) => (random.next() < 0.3 ? letter.toUpperCase() : letter)).join('');
}

function makeLines(random: Random): string[] {
  const lines: string[] = ['Host', 'localhost'];
  for (let left = random.between(0, 9); left > 0; left -= 1) {
    const name = random.pick(NAMES);
    // A second Host, and framings that contradict, are refused: that is another test's subject.
    if ((name === 'host' || name === 'transfer-encoding') && random.next() < 0.7) continue;
    const value =
      name === 'connection'
        ? Array.from({ length: random.between(0, 3) }, () => spell(random.pick(NAMES), random)).join(', ')
        : random.pick(VALUES.get(name) ?? ANY_VALUE);
    lines.push(spell(name, random), value);
  }
  return lines;
}

/** What of a client's fields has to go on, by the requirements and without a look at how the proxy does it. */
function expectKept(lines: readonly string[], keepsAuthorization: boolean): string[] {
  const named = new Set<string>();
  for (let i = 0; i < lines.length; i += 2)
    if (lines[i]?.toLowerCase() === 'connection')
      for (const name of lines[i + 1]?.split(',') ?? []) named.add(name.trim().toLowerCase());
  const kept: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const [name = '', value = ''] = lines.slice(i, i + 2);
    const lower = name.toLowerCase();
    const dashed = lower.replaceAll('_', '-');
    if (NEVER.test(dashed) || named.has(lower)) continue;
    if (lower !== dashed && READ.test(dashed)) continue;
    if (lower === 'authorization' && !keepsAuthorization) continue;
    kept.push(name, value);
  }
  return kept;
}

function countOf(lines: readonly string[], name: string): number {
  let count = 0;
  for (let i = 0; i < lines.length; i += 2) if (lines[i]?.toLowerCase() === name) count += 1;
  return count;
}

/** What is wrong with the head that goes upstream. */
function findFault(sent: readonly string[], kept: readonly string[], carrier: string): string | undefined {
  if (sent[0] !== 'Host' || sent[1] !== 'upstream.example') return 'the first field is not our Host';
  for (let i = 0; i < kept.length; i += 1)
    if (sent[i + 2] !== kept[i]) return `field ${i >> 1} is not the client's`;
  const added = sent.slice(2 + kept.length);
  let credentials = 0;
  for (let i = 0; i < added.length; i += 2) {
    const name = added[i]?.toLowerCase() ?? '';
    if (name === carrier && added[i + 1] === `Bearer ${OURS}`) credentials += 1;
    else if (!ADDED.test(name) || added[i + 1]?.includes(THEIRS)) return `${name} was added`;
  }
  if (credentials !== 1) return `${credentials} credentials of ours`;
  if (countOf(kept, carrier) > 0) return "the client's own beside it";
  return undefined;
}

test(`R17, R18, R19, R26, R27, R39: ${SETS} random header sets, and each goes on with just our credential, in order, case and number, and without what is between us and the client`, () => {
  const random = createRandom(SEED);
  const sites = MODES.flatMap((header) =>
    ([undefined, 'X-Serverless-Authorization', 'Proxy-Authorization'] as const).map((spareHeader) => ({
      header,
      spareHeader,
      site: site(route({ header, spareHeader })),
    })),
  );
  const token = heldToken(OURS);
  let forwarded = 0;
  for (let count = 0; count < SETS; count += 1) {
    const lines = makeLines(random);
    const { header, spareHeader, site } = random.pick(sites);
    const decision = decide(site, requestHead({ lines, method: 'POST' }));
    if (decision.kind !== 'forward') {
      assert.ok(decision.kind === 'answer' && decision.error.code !== 'internal', JSON.stringify(lines));
      continue;
    }
    forwarded += 1;
    const own = countOf(lines, 'authorization');
    const stepsAside = header === 'auto' && own > 0 && spareHeader !== undefined;
    const carrier = stepsAside ? spareHeader.toLowerCase() : header === 'auto' ? 'authorization' : header;
    const kept = expectKept(lines, carrier !== 'authorization');
    const sent = composeHead(decision, token);
    const fault = findFault(sent, kept, carrier);
    if (fault !== undefined)
      assert.fail(
        `PROPERTY_SEED=${SEED}, set ${count}: ${fault}\n${JSON.stringify({ header, spareHeader, lines, sent })}`,
      );
  }
  assert.ok(forwarded > SETS / 3, `only ${forwarded} of ${SETS} were forwarded`);
});
