import { isDeepStrictEqual } from 'node:util';
import type { Config, ListenerConfig } from './config/config.ts';
import { ProxyError } from './errors.ts';
import type { LoadedSite } from './site-loader.ts';

/**
 * Refuses what a process can't change in itself: where it listens, how its connections begin, and its log.
 * @throws ProxyError `restart_needed`, which names the setting
 */
export function refuseRestart(before: Config, next: Config): void {
  const places = (config: Config): readonly object[] => config.listen.map(toPlace);
  if (!isDeepStrictEqual(places(before), places(next))) throw toRestart('listen');
  if (!isDeepStrictEqual(before.admin, next.admin)) throw toRestart('admin');
  if (!isDeepStrictEqual(before.log, next.log)) throw toRestart('log');
}

/** What of a listener stays for as long as it is open. The certificate and the client secret may be others. */
function toPlace({ address, tls }: ListenerConfig): object {
  return { address, isTls: tls !== undefined, hasClientCa: tls?.clientCaFile !== undefined };
}

function toRestart(setting: string): ProxyError {
  return new ProxyError(
    'restart_needed',
    `The setting "${setting}" has changed, which takes effect only with a restart; the configuration before stays in force.`,
    { hint: `Restart the proxy, or set "${setting}" back to what it was.` },
  );
}

/**
 * What is different between two configurations, by the names of routes and settings. No values: these go into logs.
 * @param certFiles certificates that have been read again and are others
 */
export function describeChanges(
  before: LoadedSite,
  after: LoadedSite,
  certFiles: readonly string[],
): readonly string[] {
  return [
    ...compareNamed('route', byName(before.config), byName(after.config)),
    ...compareNamed('credentials', before.config.credentials, after.config.credentials),
    ...compareSettings(before.config, after.config),
    ...certFiles.map((file) => `certificate ${file} changed`),
    ...after.site.listeners.flatMap(({ clientSecret }, index) => {
      const other = before.site.listeners[index]?.clientSecret;
      const isSame = clientSecret?.cookieValue(PROBE) === other?.cookieValue(PROBE);
      return isSame ? [] : [`client secret of listener ${index + 1} changed`];
    }),
  ];
}

/** Any name: the values differ exactly where the secrets do. */
const PROBE = 'comparison';

type Named = Readonly<Record<string, object>>;

function byName({ routes }: Config): Named {
  return Object.fromEntries(routes.map((route) => [route.name, route]));
}

function compareNamed(what: string, before: Named, after: Named): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) => {
    const [old, now] = [before[name], after[name]];
    if (old === undefined) return [`${what} ${name} added`];
    if (now === undefined) return [`${what} ${name} removed`];
    const keys = findDifferentKeys(old, now);
    return keys.length === 0 ? [] : [`${what} ${name} changed (${keys.join(', ')})`];
  });
}

function compareSettings(before: Config, after: Config): readonly string[] {
  const nested = (['gate', 'limits'] as const).flatMap((setting) =>
    findDifferentKeys(before[setting], after[setting]).map((key) => `${setting}.${key}`),
  );
  const { google, caFile } = before;
  return [
    ...nested,
    ...(google.tokenTimeoutMs === after.google.tokenTimeoutMs ? [] : ['tokenTimeout']),
    ...(google.universeDomain === after.google.universeDomain ? [] : ['universeDomain']),
    ...(caFile === after.caFile ? [] : ['caFile']),
  ].map((setting) => `${setting} changed`);
}

function findDifferentKeys(before: object, after: object): readonly string[] {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  const keys = new Set([...old.keys(), ...now.keys()]);
  return [...keys].filter((key) => !isDeepStrictEqual(old.get(key), now.get(key)));
}
