import type { Found, Guard, Ingress } from './found.ts';
import { type JsonObject, readObject, readText } from './json.ts';

const NAME = /^projects\/[^/]+\/locations\/([^/]+)\/services\/([^/]+)$/;

const INGRESS: Readonly<Record<string, Ingress>> = {
  INGRESS_TRAFFIC_UNSPECIFIED: 'all',
  INGRESS_TRAFFIC_ALL: 'all',
  INGRESS_TRAFFIC_INTERNAL_ONLY: 'internal',
  INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER: 'load-balancer',
  INGRESS_TRAFFIC_NONE: 'none',
};

/** What else is said of the service behind a function of generation 2, by the service's name. */
export type RunService = Found & { readonly resource: string };

/**
 * A service of Cloud Run; undefined for what has no name that could be its.
 * https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services
 */
export function toRunService(json: JsonObject): RunService | undefined {
  const resource = readText(json, 'name') ?? '';
  const [, region, name] = NAME.exec(resource) ?? [];
  if (region === undefined || name === undefined) return undefined;
  const ingress = readText(json, 'ingress');
  const state = readText(readObject(json, 'terminalCondition'), 'state');
  return {
    resource,
    kind: 'service',
    generation: undefined,
    name,
    region,
    url: json.defaultUriDisabled === true ? undefined : readText(json, 'uri'),
    ingress: ingress === undefined ? 'all' : (INGRESS[ingress] ?? 'unknown'),
    guard: toGuard(json, resource),
    eventType: undefined,
    trouble: state === 'CONDITION_FAILED' ? 'its last deployment failed' : undefined,
    updatedOn: toDay(readText(json, 'updateTime')),
  };
}

function toGuard(json: JsonObject, resource: string): Guard {
  if (json.iapEnabled === true) return { kind: 'iap' };
  if (json.invokerIamDisabled === true) return { kind: 'nobody' };
  return toRunGuard(resource);
}

/** Who may call a service of Cloud Run, or the function that is one. */
export function toRunGuard(resource: string): Guard {
  return {
    kind: 'iam',
    question: { api: 'run', path: toPath('v2', resource), permission: 'run.routes.invoke' },
  };
}

/** The path of a resource, whatever characters are in its name. */
export function toPath(version: string, resource: string): string {
  return `/${version}/${resource.split('/').map(encodeURIComponent).join('/')}`;
}

/** The day of a point in time (RFC 3339). */
export function toDay(time: string | undefined): string | undefined {
  return /^\d{4}-\d\d-\d\d(?=T)/.exec(time ?? '')?.[0];
}
