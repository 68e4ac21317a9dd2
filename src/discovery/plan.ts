import { toInvokerCommand } from '../auth/google-address.ts';
import { isLoopbackHost } from '../loopback.ts';
import type { Judged } from './found.ts';
import type { Asked } from './refusal.ts';

/** What becomes of something found: a route, or nothing, and why. */
export interface Planned {
  readonly found: Judged;
  /** The route's; among those left out, what it would be. Unique. */
  readonly path: string;
  /** As a configuration takes it; undefined where there is none to call. */
  readonly upstream: string | undefined;
  /** Undefined for a route. */
  readonly leftOut: Reason | undefined;
  /** What to know about the route. */
  readonly remarks: readonly string[];
}

export interface Reason {
  /** Without a full stop. */
  readonly because: string;
  /** The command that helps. */
  readonly hint: string | undefined;
}

/** Where a route can lead to: what `upstream` of a configuration takes, and nothing that needs quotes in YAML. */
const HOST = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const PATH = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*\/?$/;

/** Says of each what becomes of it, in their order. Routes come to shorter paths than what is left out. */
export function planRoutes(found: readonly Judged[], asked: Asked): readonly Planned[] {
  const plans = found.map((one) => {
    const upstream = toUpstream(one);
    return { found: one, upstream, leftOut: findReason(one, upstream, asked), remarks: toRemarks(one) };
  });
  const paths = new Map<Judged, string>();
  const taken = new Set<string>();
  for (const isRoute of [true, false]) {
    const group = plans.filter(({ leftOut }) => (leftOut === undefined) === isRoute);
    assignPaths(
      group.map((plan) => plan.found),
      taken,
      paths,
    );
  }
  return plans.map((plan) => ({ ...plan, path: paths.get(plan.found) ?? '/' }));
}

/** `/name`; `/name/region` where there are several, `/name/region-function` where that isn't enough. */
function assignPaths(group: readonly Judged[], taken: Set<string>, paths: Map<Judged, string>): void {
  const names = new Map<string, number>();
  for (const { name } of group) names.set(toSegment(name), (names.get(toSegment(name)) ?? 0) + 1);
  for (const one of group) {
    const { name, region, kind } = one;
    const short = `/${toSegment(name)}`;
    const long = `${short}/${toSegment(region)}`;
    const isAlone = names.get(toSegment(name)) === 1;
    const wanted = [...(isAlone ? [short] : []), long, `${long}-${kind}`];
    const path = wanted.find((candidate) => !taken.has(candidate)) ?? toNumbered(long, taken);
    taken.add(path);
    paths.set(one, path);
  }
}

function toNumbered(path: string, taken: ReadonlySet<string>): string {
  for (let number = 2; ; number += 1) if (!taken.has(`${path}-${number}`)) return `${path}-${number}`;
}

/** A name as a segment of a path, which it is already unless Google takes names some day that it doesn't take now. */
function toSegment(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 100) || 'service';
}

function toUpstream({ url = '' }: Judged): string | undefined {
  const parsed = URL.parse(url);
  if (parsed === null) return undefined;
  const { protocol, hostname, pathname, username, password, search, hash } = parsed;
  const isEncrypted = protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname));
  const hasMore = `${username}${password}${search}${hash}` !== '';
  if (!isEncrypted || hasMore || !HOST.test(hostname) || !PATH.test(pathname)) return undefined;
  return `${parsed.origin}${pathname.replace(/\/$/, '')}`;
}

/** Why something is no route. */
function findReason(found: Judged, upstream: string | undefined, asked: Asked): Reason | undefined {
  const { kind, eventType, ingress, invokable, trouble, name } = found;
  const reason = (because: string, hint?: string): Reason => ({ because, hint });
  if (eventType !== undefined) return reason(`it is started by events (${eventType}), not by requests`);
  if (upstream === undefined) {
    const why = found.url === undefined ? 'it has no URL of its own' : 'its URL is not one a token may go to';
    return reason(trouble === undefined ? why : `${why}: ${trouble}`);
  }
  const change = toIngressCommand(found, asked);
  switch (ingress) {
    case 'internal':
      return reason('its ingress is internal: it is reached only from inside its VPC network', change);
    case 'load-balancer':
      return reason(
        'its ingress is internal: it is reached by its load balancer, or from inside its VPC network',
        change,
      );
    case 'none':
      return reason('its ingress is none: nobody reaches it', change);
  }
  if (invokable !== false) return undefined;
  const { identity = 'the identity that asked', member } = asked;
  const address = {
    kind: kind === 'service' ? 'run' : kind,
    service: name,
    region: found.region,
    project: asked.project,
  } as const;
  const project = kind === 'service' ? ` --project=${asked.project}` : '';
  const command = toInvokerCommand(address, member) + project;
  return reason(`${identity} may not call it`, isPlain(found) ? command : undefined);
}

function toIngressCommand(found: Judged, { project }: Asked): string | undefined {
  const { kind, name, region } = found;
  if (kind === 'function' || !isPlain(found)) return undefined;
  return `gcloud run services update ${name} --region=${region} --project=${project} --ingress=all`;
}

/** Whether a command may be made of it: nothing in its names means anything to a shell. */
function isPlain({ name, region }: Judged): boolean {
  return /^[A-Za-z0-9][\w-]*$/.test(name) && /^[a-z0-9][a-z0-9-]*$/.test(region);
}

function toRemarks({ guard, invokable, trouble, ingress }: Judged): readonly string[] {
  const remarks: string[] = [];
  if (trouble !== undefined) remarks.push(`Something is wrong with it: ${trouble}.`);
  if (ingress === 'unknown') remarks.push("From where it is reached couldn't be told.");
  if (guard.kind === 'iap')
    remarks.push('Behind Identity-Aware Proxy, which may want another audience: see `token` in the README.');
  else if (guard.kind === 'nobody') remarks.push('Public: nobody is asked for a token.');
  else if (invokable === undefined) remarks.push("Whether you may call it couldn't be told: try `check`.");
  return remarks;
}
