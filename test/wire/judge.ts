import type { SeenResponse } from '../faults/response-reader.ts';
import type { SeenRequest } from './recording-upstream.ts';
import type { Outcome, RouteName, StageRoute, StageRoutes, WireInput } from './stage.ts';
import { membersOf, valuesOf, type WireHead, type WirePart, type WireRequest } from './strict-reader.ts';

/** What became of an input, counted. */
export interface Verdict {
  /** Requests that reached an upstream as they should. */
  readonly forwarded: number;
  /** Statuses of the proxy's own answers. */
  readonly refusals: readonly number[];
  /** What must not be. */
  readonly faults: readonly string[];
}

/**
 * Holds an outcome against the rule: each request in the input, as far as it can be read in one way only, is refused, or reaches its
 * upstream once, as what it is, with the route's own credential; nothing else reaches any upstream.
 */
export function judge(
  input: WireInput,
  { reading, responses, seen, complaints }: Outcome,
  routes: StageRoutes,
): Verdict {
  const faults = [...complaints];
  const refusals: number[] = [];
  for (const name of ['a', 'b'] as const)
    for (const violation of seen[name].violations) faults.push(`upstream ${name} read ${violation}`);
  const unexplained = [...toSightings(seen)];
  /** Takes the request of a number, or the first alike, out of what is unexplained. */
  const explain = (request: WireRequest, serial?: string): boolean => {
    const at = unexplained.findIndex(
      (sighting) =>
        (serial === undefined || serial === sighting.request.serial) &&
        compare(request, sighting, routes).length === 0,
    );
    if (at !== -1) unexplained.splice(at, 1);
    return at !== -1;
  };
  let forwarded = 0;
  for (const [i, request] of reading.requests.entries()) {
    const response = responses[i];
    if (response === undefined) {
      if (explain(request)) forwarded += 1;
    } else if (response.exchange === undefined) {
      if (response.status === 204 && request.method === 'OPTIONS') continue;
      refusals.push(response.status);
      if (!isRefusal(response)) faults.push(`answered with ${response.status} ${response.code}`);
    } else if (explain(request, response.exchange)) {
      forwarded += 1;
    } else {
      faults.push(`the response to request ${i} is not its own`);
    }
  }
  for (const response of responses.slice(reading.requests.length)) {
    const isServerOptions = reading.part?.head.method === 'OPTIONS' && response.status === 204;
    if (isServerOptions) continue;
    refusals.push(response.status);
    if (response.exchange !== undefined || !isRefusal(response))
      faults.push(`${response.status} for what is no request`);
  }
  if (responses.length > reading.requests.length + 1) faults.push('more answers than requests');
  for (const sighting of unexplained) {
    const reasons = reading.requests.map((request) => compare(request, sighting, routes).join(', '));
    faults.push(
      `upstream ${sighting.route} got ${show(sighting.request)}: ${reasons.join(' / ') || reading.violation}`,
    );
  }
  faults.push(...judgeParts(reading.part, reading.requests, seen, routes));
  if (input.outcome === 'refused' && forwarded > 0) faults.push('it should be refused');
  if (input.outcome === 'forwarded' && forwarded < reading.requests.length)
    faults.push('it should be forwarded');
  return { forwarded, refusals, faults };
}

/** A request upstream, and which upstream. */
interface Arrival {
  readonly route: RouteName;
  readonly request: SeenRequest;
}

function* toSightings(seen: Outcome['seen']): Generator<Arrival> {
  for (const route of ['a', 'b'] as const)
    for (const request of seen[route].requests) yield { route, request };
}

/** An answer of the proxy's own that blames the request, not the upstream and not itself; to gRPC it is a 200. */
function isRefusal({ status, code }: SeenResponse): boolean {
  if (status === 200) return code === 'transfer_coding_not_supported' || code === 'bad_request';
  return code !== undefined && ((status >= 400 && status < 500) || status === 501 || status === 505);
}

/** Of what broke off, an upstream may have seen the beginning, and no more. */
function judgeParts(
  part: WirePart | undefined,
  requests: readonly WireRequest[],
  seen: Outcome['seen'],
  routes: StageRoutes,
): string[] {
  const faults: string[] = [];
  for (const route of ['a', 'b'] as const) {
    for (const got of seen[route].parts) {
      if (got === undefined) continue;
      const whole = [
        ...requests,
        ...(part === undefined ? [] : [{ ...part.head, body: part.body, trailers: [] }]),
      ];
      const isOfOne = whole.some(
        (request) =>
          request.body.startsWith(got.body) &&
          compareHead(request, { route, head: got.head }, routes).length === 0,
      );
      if (!isOfOne) faults.push(`upstream ${route} got the beginning of ${show(got.head)}`);
    }
  }
  return faults;
}

function compare(sent: WireRequest, { route, request }: Arrival, routes: StageRoutes): string[] {
  const differences = compareHead(sent, { route, head: request }, routes);
  if (sent.body !== request.body) differences.push('another body');
  for (let i = 0; i < request.trailers.length; i += 2) {
    const name = (request.trailers[i] ?? '').toLowerCase().replaceAll('_', '-');
    if (isOwn(name) || isCredential(name) || LOOKED_AT.has(name)) differences.push(`a trailer ${name}`);
    if (
      !valuesOf(sent.trailers, (request.trailers[i] ?? '').toLowerCase()).includes(
        request.trailers[i + 1] ?? '',
      )
    )
      differences.push('a trailer nobody sent');
  }
  return differences;
}

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

function isCredential(dashed: string): boolean {
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

function isOwn(dashed: string): boolean {
  return OWN.has(dashed) || dashed.startsWith('x-forwarded-');
}

/** Fields that go on, but under their own name alone: with `_` in it they could be taken for what they are not. */
const LOOKED_AT = new Set([
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

function show({ method, target, lines }: WireHead): string {
  return JSON.stringify(`${method} ${target} ${lines.join('|')}`.slice(0, 600));
}
