import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Arrival, createGate, type Verdict } from '../../src/gate/gate.ts';

const NAMES = ['shop.localhost', 'dev.example.test'];
const ORIGINS = ['https://app.example.com', 'http://app.example.com:8080', 'https://[2001:db8::1]'];
const gate = createGate({ bound: ['localhost'], names: NAMES, origins: ORIGINS });
const openGate = createGate({ bound: ['0.0.0.0'], names: NAMES, origins: ORIGINS });

const PIECES = [
  ...[
    'localhost',
    'LOCALHOST',
    'shop.localhost',
    'evil.com',
    'dev.example.test',
    'app.example.com',
    'x.localhost',
    '.localhost',
  ],
  ...['127.0.0.1', '127.1', '0x7f.1', '2130706433', '127.0.0.01', '127.0.0.1.nip.io', '10.0.0.1', '0', '1e3'],
  ...[
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[0:0:0:0:0:0:0:1]',
    '[2001:db8::1]',
    '[::1',
    '::1',
    '[fe80::1%25lo]',
    '[v1.x]',
  ],
  ...[':8080', ':80', ':443', ':0', ':65535', ':65536', ':99999', ':', ':x', '.', '..', '-', '_', ','],
  ...[
    ', ',
    '@',
    '/',
    '\\',
    '?',
    '#',
    '%',
    '%2e',
    ' ',
    '\t',
    '\0',
    '\xe4',
    '\u3002',
    '\uff0e',
    '\u0131',
    '\u212a',
  ],
  ...[
    'http://',
    'https://',
    'HTTP://',
    '//',
    'ftp://',
    'null',
    'file:',
    'data:,',
    'blob:http://localhost/',
    '*',
  ],
];
const text = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(fc.constantFrom(...PIECES), { maxLength: 4 }).map((parts) => parts.join('')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
);
const optional = (arbitrary: fc.Arbitrary<string>) => fc.option(arbitrary, { nil: undefined });
const origin = fc.oneof(
  text,
  fc.tuple(fc.constantFrom('http://', 'https://'), text).map((parts) => parts.join('')),
);
const arrival: fc.Arbitrary<Arrival> = fc.record({
  method: fc.oneof(fc.constantFrom('GET', 'HEAD', 'POST', 'OPTIONS'), text),
  scheme: fc.constantFrom('http', 'https'),
  host: optional(fc.oneof(text, fc.constantFrom('localhost', 'localhost:8080', 'shop.localhost:8080'))),
  origin: fc.option(origin, { nil: undefined, freq: 1 }),
  fetchSite: optional(fc.oneof(fc.constantFrom('same-origin', 'same-site', 'cross-site', 'none'), text)),
  fetchMode: optional(fc.oneof(fc.constantFrom('navigate', 'cors', 'no-cors'), text)),
  fetchDest: optional(fc.oneof(fc.constantFrom('document', 'empty', 'iframe'), text)),
  referer: optional(
    fc.oneof(
      origin,
      origin.map((start) => `${start}/a?b`),
    ),
  ),
});

/** A host name as a URL parser has it, without brackets and root dot. */
const toName = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');

/** Which hosts are let in, by what a URL parser makes of them. */
function isHostTheirs(url: URL | null, isOpen: boolean): boolean {
  if (url === null) return false;
  const name = toName(url);
  if (isLoopback(name) || NAMES.includes(name)) return true;
  return isOpen && (isIPv4(name) || isIPv6(name));
}

function isLoopback(name: string): boolean {
  return (
    name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127\.\d+\.\d+\.\d+$/.test(name)
  );
}

/** What is wrong with a verdict; undefined also for refusals, which are never wrong here: other tests say who has to be let in. */
function findFault(
  verdict: Verdict,
  { host, scheme, origin, ...rest }: Arrival,
  isOpen: boolean,
): string | undefined {
  if (verdict.kind === 'refuse') return undefined;
  const url = URL.parse(`http://${host}`);
  if (!isHostTheirs(url, isOpen)) return 'a foreign host';
  if (url === null) return 'a host that is none';
  if (url.pathname !== '/' || url.search !== '' || url.username !== '' || url.hash !== '')
    return 'more than a host';
  const canonical = URL.parse(
    `http://${verdict.authority.name.includes(':') ? `[${verdict.authority.name}]` : verdict.authority.name}`,
  );
  if (canonical === null || toName(canonical) !== toName(url)) return 'two readers see two hosts';
  if (verdict.authority.port !== '' && Number(verdict.authority.port) !== Number(url.port || 80))
    return 'two ports';
  if (origin !== undefined) {
    if (verdict.kind === 'ask') return 'a page is asked';
    const page = URL.parse(origin);
    const own = URL.parse(`${scheme}://${host}`)?.origin;
    if (page === null || (page.protocol !== 'http:' && page.protocol !== 'https:'))
      return 'an origin that is none';
    if (page.href !== `${page.origin}/`) return 'more than an origin';
    if (!isLoopback(toName(page)) && !ORIGINS.includes(page.origin) && page.origin !== own)
      return 'a foreign origin';
    return undefined;
  }
  const { fetchSite, fetchMode, fetchDest, method, referer } = rest;
  if (fetchSite === undefined || ['same-origin', 'same-site', 'none'].includes(fetchSite)) return undefined;
  const isVisit = ['GET', 'HEAD'].includes(method) && fetchMode === 'navigate' && fetchDest === 'document';
  if (!isVisit) return 'a page of another site';
  if (verdict.kind === 'ask') return undefined;
  const from = URL.parse(referer ?? '');
  const own = URL.parse(`${scheme}://${host}`);
  const portOf = ({ port, protocol }: URL): string => port || (protocol === 'https:' ? '443' : '80');
  if (from === null || own === null || from.protocol !== own.protocol || portOf(from) !== portOf(own))
    return 'a visit from elsewhere';
  return isHostTheirs(from, isOpen) ? undefined : 'a visit from a foreign host';
}

test('R2, R4, R5, R6: the gate never throws, and lets in only what a URL parser would, whatever is in an arrival (60,000)', () => {
  const tally = { admit: 0, ask: 0, refuse: 0 };
  fc.assert(
    fc.property(arrival, fc.boolean(), (arrived, isOpen) => {
      const verdict = (isOpen ? openGate : gate)(arrived);
      tally[verdict.kind] += 1;
      assert.equal(findFault(verdict, arrived, isOpen), undefined);
      if (verdict.kind !== 'admit')
        assert.match(verdict.error.message + (verdict.error.hint ?? ''), /^[\x20-\x7e]*$/);
    }),
    { numRuns: 60_000 },
  );
  assert.ok(Math.min(...Object.values(tally)) > 50, JSON.stringify(tally));
});

test('R2: two readers never see two hosts in a Host that is let in (60,000)', () => {
  let admitted = 0;
  fc.assert(
    fc.property(text, fc.boolean(), (host, isOpen) => {
      const bare = { scheme: 'http', origin: undefined, fetchSite: undefined, fetchMode: undefined } as const;
      const arrived: Arrival = { ...bare, method: 'GET', host, fetchDest: undefined, referer: undefined };
      const verdict = (isOpen ? openGate : gate)(arrived);
      if (verdict.kind === 'admit') admitted += 1;
      assert.equal(findFault(verdict, arrived, isOpen), undefined, host);
    }),
    { numRuns: 60_000 },
  );
  assert.ok(admitted > 1_000, `only ${admitted} were let in`);
});
