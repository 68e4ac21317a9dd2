import type { SeenResponse } from '../faults/response-reader.ts';
import { compareHead, isCredential, isOwn, LOOKED_AT } from './compare.ts';
import type { SeenRequest } from './recording-upstream.ts';
import type { Outcome, RouteName, StageRoutes, WireInput } from './stage.ts';
import { valuesOf, type WireHead, type WirePart, type WireRequest } from './strict-reader.ts';

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
  if (status === 200)
    return code !== undefined && !/upstream|internal|token|credentials|overloaded|circuit/.test(code);
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

function show({ method, target, lines }: WireHead): string {
  return JSON.stringify(`${method} ${target} ${lines.join('|')}`.slice(0, 600));
}
