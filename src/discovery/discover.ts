import { isProxyError, ProxyError } from '../errors.ts';
import type { ApiName } from './api-origin.ts';
import type { Finds, Found, Judged, PermissionQuestion } from './found.ts';
import { readServiceName, toFunction } from './functions.ts';
import type { GoogleApi } from './google-api.ts';
import { type JsonObject, readTexts } from './json.ts';
import { type Listing, listEverywhere, MOST_AT_ONCE } from './list.ts';
import { ApiRefusal, type Asked, explainRefusal } from './refusal.ts';
import { type RunService, toRunService } from './run-services.ts';
import { doSideBySide } from './side-by-side.ts';

export interface DiscoverOptions {
  readonly apis: Readonly<Record<ApiName, GoogleApi>>;
  /** Only these regions; all there are if empty. */
  readonly regions: readonly string[];
  readonly asked: Asked;
  /** Told how many of the services were looked at; `total` is undefined while they are listed. */
  readonly onProgress?: (done: number, total: number | undefined) => void;
}

/** What there is to call in a project, in the order of names. */
export interface Discovery {
  readonly services: readonly Judged[];
  /** Where nobody answered. */
  readonly unreachable: readonly UnreachableRegion[];
  /** APIs that listed nothing, and why. */
  readonly refused: readonly ProxyError[];
}

export interface UnreachableRegion {
  readonly product: 'Cloud Run' | 'Cloud Functions';
  readonly region: string;
}

/**
 * Finds the services and functions of a project, and which of them the caller may invoke.
 * @throws ProxyError `discovery_failed` when neither API lists anything or a region isn't there; as the transport and the
 * token source
 */
export async function discover(options: DiscoverOptions): Promise<Discovery> {
  const { asked, regions, onProgress = () => {} } = options;
  onProgress(0, undefined);
  const [run, functions] = await Promise.all([list('run', options), list('cloudfunctions', options)]);
  const refused = [run, functions].filter((outcome) => isProxyError(outcome));
  const [first] = refused;
  if (first !== undefined && refused.length === 2) throw first;
  const lists = [run, functions].flatMap((outcome) => (isProxyError(outcome) ? [] : [outcome]));
  const absent = regions.find((region) => lists.every((finds) => finds.absent.includes(region)));
  if (absent !== undefined) throw toAbsentError(absent, asked);
  const found = merge(isProxyError(run) ? NOTHING : run, isProxyError(functions) ? NOTHING : functions);
  return {
    services: await judge(found, options),
    unreachable: [...toUnreachable('Cloud Run', run), ...toUnreachable('Cloud Functions', functions)],
    refused,
  };
}

const NOTHING: Finds<JsonObject> = { items: [], unreachable: [], absent: [] };

/** What an API lists, or why it lists nothing. */
async function list(
  name: ApiName,
  { apis, regions, asked }: DiscoverOptions,
): Promise<Finds<JsonObject> | ProxyError> {
  const collection = name === 'run' ? 'services' : 'functions';
  const listing: Listing = { api: apis[name], project: asked.project, collection, regions };
  try {
    return await listEverywhere(listing);
  } catch (error) {
    if (error instanceof ApiRefusal) return explainRefusal(error, asked);
    throw error;
  }
}

/** Services and functions; a function that is a service as well is there once, as the function. */
function merge(run: Finds<JsonObject>, functions: Finds<JsonObject>): readonly Found[] {
  const services = new Map<string, RunService>();
  for (const json of run.items) {
    const service = toRunService(json);
    if (service !== undefined) services.set(service.resource, service);
  }
  const found = functions.items.flatMap((json) => toFunction(json, services) ?? []);
  for (const json of functions.items) services.delete(readServiceName(json) ?? '');
  return [...services.values(), ...found].toSorted(compareFound);
}

/** By name, region and kind, the same on every machine. */
function compareFound(a: Found, b: Found): number {
  return compareText(a.name, b.name) || compareText(a.region, b.region) || compareText(b.kind, a.kind);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Asks of each whether it may be called. What can't be told is no failure. */
async function judge(
  found: readonly Found[],
  { apis, onProgress = () => {} }: DiscoverOptions,
): Promise<readonly Judged[]> {
  let done = 0;
  onProgress(done, found.length);
  return doSideBySide(found, MOST_AT_ONCE, async (one) => {
    const { guard } = one;
    const invokable =
      guard.kind === 'iam' ? await mayDo(guard.question, apis) : guard.kind === 'nobody' || undefined;
    done += 1;
    onProgress(done, found.length);
    return { ...one, invokable };
  });
}

/** https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/testIamPermissions */
async function mayDo(
  { api, path, permission }: PermissionQuestion,
  apis: DiscoverOptions['apis'],
): Promise<boolean | undefined> {
  try {
    const answer = await apis[api].post(`${path}:testIamPermissions`, { permissions: [permission] });
    return readTexts(answer, 'permissions').includes(permission);
  } catch (error) {
    if (error instanceof ApiRefusal) return undefined;
    throw error;
  }
}

function toUnreachable(
  product: UnreachableRegion['product'],
  outcome: Finds<JsonObject> | ProxyError,
): readonly UnreachableRegion[] {
  if (isProxyError(outcome)) return [];
  return [...new Set(outcome.unreachable)].toSorted(compareText).map((region) => ({ product, region }));
}

function toAbsentError(region: string, { project }: Asked): ProxyError {
  const message = `There is no region ${region} for the project ${project}, or its organization forbids it.`;
  return new ProxyError('discovery_failed', message, { hint: 'gcloud run regions list' });
}
