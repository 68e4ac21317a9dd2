import { OWN_PATH } from '../own-path.ts';
import { formatListener, isLoopbackAddress, overlap } from './address.ts';
import { refuseAdminUpstream } from './admin.ts';
import type {
  AdminConfig,
  ListenerConfig,
  LocalizeConfig,
  RouteConfig,
  TimeoutConfig,
  UpstreamConfig,
} from './config.ts';
import { readCors } from './cors.ts';
import type { Credentials } from './credentials.ts';
import type { DraftFile, DraftRoute } from './draft.ts';
import { parseDuration } from './duration.ts';
import { readHeaderEdits } from './header-edits.ts';
import { parseHostName } from './host.ts';
import type { Path, Refuse, RefuseAt } from './issues.ts';
import { readRules } from './route-rules.ts';
import { readToken } from './token.ts';
import { parseUpstream } from './upstream.ts';
import { parsePath } from './url-path.ts';

/** Cloud Run ends every request after 60 minutes at the latest: a little later there is nothing left to wait for. */
const DEFAULT_TIMEOUT: TimeoutConfig = { connectMs: 5_000, headersMs: 61 * 60_000, idleMs: 61 * 60_000 };

export interface RoutesContext {
  readonly credentials: Pick<Credentials, 'configs' | 'find'>;
  /** Where the proxy itself will be. */
  readonly listen: readonly ListenerConfig[];
  readonly admin: AdminConfig | undefined;
  readonly refuseAt: RefuseAt;
}

/** Reads all routes; those with a mistake may be left out. */
export function readRoutes(drafts: DraftFile['routes'], context: RoutesContext): readonly RouteConfig[] {
  const routes: RouteConfig[] = [];
  const indexes = new Map<string, number>();
  for (const [index, draft] of (drafts ?? []).entries()) {
    if (draft === undefined) continue;
    const path = ['routes', index];
    const match = readMatch(draft, path, context.refuseAt);
    if (match !== undefined) {
      const other = indexes.get(match.name);
      if (other === undefined) indexes.set(match.name, index);
      else
        context.refuseAt([...path, 'path' in draft ? 'path' : 'host'])(
          `There are two routes for ${match.name}; the other one is number ${other + 1} of the list.`,
        );
    }
    const rest = readRest(draft, path, context);
    if (match !== undefined && rest !== undefined) routes.push({ ...match, ...rest });
  }
  return routes;
}

type Match = Pick<RouteConfig, 'name' | 'path' | 'host'>;

/** What a route takes, and its name: host and path, without what goes without saying. */
function readMatch(draft: DraftRoute, at: Path, refuseAt: RefuseAt): Match | undefined {
  const hasPath = 'path' in draft;
  const hasHost = 'host' in draft;
  if (!hasPath && !hasHost) {
    return refuseAt(at)('This route has neither a path nor a host.', 'For everything there is: `path: /`.');
  }
  const pathText = hasPath ? draft.path : '/';
  const path = pathText === undefined ? undefined : parseRoutePath(pathText, refuseAt([...at, 'path']));
  const host = draft.host === undefined ? undefined : parseHostName(draft.host, refuseAt([...at, 'host']));
  if (path === undefined || (hasHost && host === undefined)) return undefined;
  return { name: host === undefined ? path : host + (path === '/' ? '' : path), path, host };
}

function parseRoutePath(text: string, refuse: Refuse): string | undefined {
  const path = parsePath(text, refuse);
  if (path !== OWN_PATH && !path?.startsWith(`${OWN_PATH}/`)) return path;
  return refuse(`The path ${OWN_PATH} and all below it is the proxy's own.`, 'Take another one.');
}

/** Where a route leads, and how. Reads on after a mistake, to find all of them. */
function readRest(
  draft: DraftRoute,
  path: Path,
  { credentials: known, listen, admin, refuseAt }: RoutesContext,
): Omit<RouteConfig, keyof Match> | undefined {
  const refuseUpstream = refuseAt([...path, 'upstream']);
  const upstream = draft.upstream === undefined ? undefined : parseUpstream(draft.upstream, refuseUpstream);
  if (upstream !== undefined) {
    refuseLoop(upstream, listen, refuseUpstream);
    refuseAdminUpstream(upstream, admin, refuseUpstream);
  }
  const credentials = known.find(draft.credentials ?? 'default', refuseAt([...path, 'credentials']));
  const identity = credentials === undefined ? undefined : known.configs.get(credentials);
  const token = readToken(draft.token, identity, [...path, 'token'], refuseAt);
  const rules = readRules(draft, path, refuseAt);
  const timeout = readTimeout(draft.timeout, [...path, 'timeout'], refuseAt);
  const headers = readHeaderEdits(draft.headers, [...path, 'headers'], refuseAt);
  const cors = readCors(draft.cors, [...path, 'cors'], refuseAt);
  if (upstream === undefined || credentials === undefined || token === undefined) return undefined;
  return { upstream, credentials, token, ...rules, timeout, headers, cors, ...readManner(draft) };
}

type Manner = Pick<
  RouteConfig,
  'stripPath' | 'header' | 'protocol' | 'localize' | 'presentOrigin' | 'forwarded' | 'retry'
>;

/** What needs no understanding beyond its shape. */
function readManner(draft: DraftRoute): Manner {
  const {
    stripPath = true,
    header = 'auto',
    protocol = 'auto',
    forwarded = 'x-forwarded',
    retry = true,
  } = draft;
  const presentOrigin = draft.origin === 'upstream';
  return {
    stripPath,
    header,
    protocol,
    localize: readLocalize(draft.localize),
    presentOrigin,
    forwarded,
    retry,
  };
}

function readLocalize(draft: DraftRoute['localize'] = true): LocalizeConfig {
  if (typeof draft === 'boolean') return { redirects: draft, cookies: draft };
  const { redirects = true, cookies = true } = draft;
  return { redirects, cookies };
}

/** A route to the proxy itself would go round until something breaks. */
function refuseLoop(upstream: UpstreamConfig, listen: readonly ListenerConfig[], refuse: Refuse): void {
  if (upstream.kind !== 'url') return;
  const { protocol, hostname, port } = new URL(upstream.origin);
  const isTls = protocol === 'https:';
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (isTls ? 443 : 80)) };
  if (!isLoopbackAddress(address)) return;
  const own = listen.find((one) => (one.tls !== undefined) === isTls && overlap(one.address, address));
  if (own !== undefined)
    refuse(`This upstream is the proxy itself, which listens on ${formatListener(own)}.`);
}

function readTimeout(draft: DraftRoute['timeout'], path: Path, refuseAt: RefuseAt): TimeoutConfig {
  const isMap = typeof draft === 'object';
  const { connect, headers, idle } = isMap ? draft : { headers: draft };
  const headersPath = isMap ? [...path, 'headers'] : path;
  return {
    connectMs: readDuration(connect, DEFAULT_TIMEOUT.connectMs, refuseAt([...path, 'connect'])),
    headersMs: readDuration(headers, DEFAULT_TIMEOUT.headersMs, refuseAt(headersPath)),
    idleMs: readDuration(idle, DEFAULT_TIMEOUT.idleMs, refuseAt([...path, 'idle'])),
  };
}

function readDuration(value: string | number | undefined, defaultMs: number, refuse: Refuse): number {
  return value === undefined ? defaultMs : (parseDuration(value, refuse) ?? defaultMs);
}
