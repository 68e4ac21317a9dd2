import type { RouteName, StageRoute, StageRoutes } from './stage.ts';
import { membersOf, valuesOf, type WireHead } from './strict-reader.ts';

/** How a head upstream differs from what should have come of one that was sent; empty where it doesn't. */
export function compareHead(
  sent: WireHead,
  got: { readonly route: RouteName; readonly head: WireHead },
  routes: StageRoutes,
): string[] {
  const { head } = got;
  const differences: string[] = [];
  const hold = (isSo: boolean, what: string): void => {
    if (!isSo) differences.push(what);
  };
  const { authority, path, query } = splitTarget(sent.target);
  const name = path === '/b' || path.startsWith('/b/') ? 'b' : 'a';
  const route = routes[name];
  hold(name === got.route, 'another route');
  hold(head.method === sent.method, 'another method');
  hold(head.version === '1.1', 'another version');
  hold(head.target === toTarget(route, path) + query, 'another target');
  hold(isWithin(route.base, head.target), 'a target outside of its base');
  hold(sameLists(valuesOf(head.lines, 'host'), [route.host]), 'another Host');
  differences.push(...compareFraming(sent, head), ...compareCredentials(sent, head, name, route));
  const toldHost = authority ?? valuesOf(sent.lines, 'host')[0] ?? '';
  hold(sameLists(valuesOf(head.lines, 'x-forwarded-host'), [toldHost]), 'X-Forwarded-Host');
  hold(sameLists(valuesOf(head.lines, 'x-forwarded-for'), ['127.0.0.1']), 'X-Forwarded-For');
  hold(sameLists(valuesOf(head.lines, 'x-forwarded-proto'), ['http']), 'X-Forwarded-Proto');
  hold(
    head.lines.filter((text, i) => i % 2 === 0 && /^x[-_]forwarded[-_]|^forwarded$/i.test(text)).length ===
      (name === 'b' ? 4 : 3),
    'what the client says of whom it forwards for',
  );
  const fields = [endToEnd(head.lines, sent, false), endToEnd(sent.lines, sent, true)] as const;
  // A handshake is written by Node, which puts lines of one name together.
  const [arrived, expected] = valuesOf(head.lines, 'upgrade').length > 0 ? fields.map(sorted) : fields;
  hold(sameLists(arrived ?? [], expected ?? []), 'other end-to-end fields');
  return differences;
}

/** RFC 9112, section 3.2. */
export function splitTarget(target: string): { authority: string | undefined; path: string; query: string } {
  const [, authority, rest = ''] = /^(?:http:\/\/([^/?#]*))?(.*)$/is.exec(target) ?? [];
  const mark = rest.indexOf('?');
  const path = mark === -1 ? rest : rest.slice(0, mark);
  return { authority, path: path === '' ? '/' : path, query: mark === -1 ? '' : rest.slice(mark) };
}

function toTarget({ path: local, base }: StageRoute, path: string): string {
  if (local === '' && path === '/') return base;
  return base + path.slice(local.length);
}

/** R13: whoever decodes, once or twice, and then takes dots for what they are, is still below the base. */
function isWithin(base: string, target: string): boolean {
  let path = target.replace(/\?.*$/s, '');
  for (let round = 0; round < 3; round += 1) {
    const stack: string[] = [];
    for (const segment of path.split(/[/\\]/)) {
      const plain = segment.replace(/;.*$/s, '');
      if (plain === '..') stack.pop();
      else if (plain !== '.') stack.push(segment);
    }
    const settled = stack.join('/');
    if (settled !== base && !settled.startsWith(`${base}/`)) return false;
    path = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
  return true;
}

function compareFraming(sent: WireHead, head: WireHead): string[] {
  const isAlike =
    sent.framing === 'chunked'
      ? head.framing === 'chunked'
      : head.framing !== 'chunked' && head.length === sent.length;
  const differences = isAlike ? [] : ['another framing'];
  const connection = membersOf(head.lines, 'connection');
  const [te, upgrade] = [valuesOf(head.lines, 'te'), valuesOf(head.lines, 'upgrade')];
  const isHandshake = membersOf(sent.lines, 'upgrade').join() === 'websocket' && sent.method === 'GET';
  const isPlain = connection.length === 0 && te.length === 0 && upgrade.length === 0;
  const wantsTrailers = connection.join() === 'te' && te.join() === 'trailers' && upgrade.length === 0;
  const switches = connection.join() === 'upgrade' && upgrade.join() === 'websocket' && te.length === 0;
  if (!isPlain && !wantsTrailers && !(switches && isHandshake)) differences.push('hop-by-hop fields');
  if (valuesOf(head.lines, 'trailer').length > 0 && sent.framing !== 'chunked') differences.push('Trailer');
  const expects = valuesOf(head.lines, 'expect');
  if (expects.length > 0 && expects.join().toLowerCase() !== '100-continue') differences.push('Expect');
  return differences;
}

/** R17 to R19. Route b leaves a client its one `Authorization`. */
function compareCredentials(
  sent: WireHead,
  head: WireHead,
  name: RouteName,
  { token }: StageRoute,
): string[] {
  const own = valuesOf(sent.lines, 'authorization');
  const isSpare = name === 'b' && own.length > 0;
  const isTaken = membersOf(sent.lines, 'connection').includes('authorization');
  const bearer = `Bearer ${token}`;
  const wanted = isSpare
    ? [...(isTaken ? [] : ['authorization', ...own]), 'x-serverless-authorization', bearer]
    : ['authorization', bearer];
  const got: string[] = [];
  for (let i = 0; i < head.lines.length; i += 2) {
    const spelled = (head.lines[i] ?? '').toLowerCase();
    if (isCredential(spelled.replaceAll('_', '-'))) got.push(spelled, head.lines[i + 1] ?? '');
  }
  return sameLists(got, wanted) && (!isSpare || own.length === 1) ? [] : ['other credentials'];
}

export function isCredential(dashed: string): boolean {
  return /^(?:authorization$|x-serverless-authorization$|proxy-)/.test(dashed);
}

/** Fields that are each hop's own, or the proxy's to set. */
const OWN = new Set([
  'connection',
  'content-length',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export function isOwn(dashed: string): boolean {
  return OWN.has(dashed) || dashed.startsWith('x-forwarded-');
}

/** Fields that go on, but under their own name alone: with `_` in it they could be taken for what they are not. */
export const LOOKED_AT = new Set([
  'content-type',
  'cookie',
  'origin',
  'referer',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
]);

/** The fields that have to arrive as they were sent (R26, R27), of a head before or behind the proxy. */
function endToEnd(lines: readonly string[], sent: WireHead, isSent: boolean): string[] {
  const named = membersOf(sent.lines, 'connection');
  const kept: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase();
    const dashed = name.replaceAll('_', '-');
    if (isSent && (named.includes(name) || isOwn(dashed) || isCredential(dashed))) continue;
    if (isSent && dashed !== name && LOOKED_AT.has(dashed)) continue;
    if (!isSent && (isOwn(name) || isCredential(name))) continue;
    kept.push(lines[i] ?? '', lines[i + 1] ?? '');
  }
  return kept;
}

function sorted(lines: readonly string[]): string[] {
  return lines
    .filter((_, i) => i % 2 === 0)
    .map((name, i) => `${name}: ${lines[2 * i + 1]}`)
    .sort();
}

function sameLists(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, i) => text === other[i]);
}
