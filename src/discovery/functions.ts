import type { Found, Guard, Ingress } from './found.ts';
import { type JsonObject, readObject, readText } from './json.ts';
import { type RunService, toDay, toPath, toRunGuard } from './run-services.ts';

const NAME = /^projects\/[^/]+\/locations\/([^/]+)\/functions\/([^/]+)$/;

const INGRESS: Readonly<Record<string, Ingress>> = {
  INGRESS_SETTINGS_UNSPECIFIED: 'all',
  ALLOW_ALL: 'all',
  ALLOW_INTERNAL_ONLY: 'internal',
  ALLOW_INTERNAL_AND_GCLB: 'load-balancer',
};

/**
 * A function, of either generation; undefined for what has no name that could be its. One of generation 2 is a service of
 * Cloud Run as well: what that says counts, as that is what is called.
 * https://cloud.google.com/functions/docs/reference/rest/v2/projects.locations.functions
 */
export function toFunction(json: JsonObject, services: ReadonlyMap<string, RunService>): Found | undefined {
  const resource = readText(json, 'name') ?? '';
  const [, region, name] = NAME.exec(resource) ?? [];
  if (region === undefined || name === undefined) return undefined;
  const config = readObject(json, 'serviceConfig');
  const generation = readText(json, 'environment') === 'GEN_1' ? 1 : 2;
  const service = generation === 1 ? undefined : services.get(readServiceName(json) ?? '');
  const ingress = readText(config, 'ingressSettings');
  const trigger = readObject(json, 'eventTrigger');
  const state = readText(json, 'state');
  return {
    kind: 'function',
    generation,
    name,
    region,
    // The front end of Cloud Run takes its own URL as the audience without fail.
    url: generation === 1 ? readText(json, 'url') : (service?.url ?? readText(config, 'uri')),
    ingress: service?.ingress ?? (ingress === undefined ? 'all' : (INGRESS[ingress] ?? 'unknown')),
    guard: service?.guard ?? toGuard(json, resource, generation),
    eventType: Object.keys(trigger).length === 0 ? undefined : (readText(trigger, 'eventType') ?? 'an event'),
    trouble: state === undefined || state === 'ACTIVE' ? undefined : `its state is ${state}`,
    updatedOn: toDay(readText(json, 'updateTime')),
  };
}

/** The service of Cloud Run that a function of generation 2 is. */
export function readServiceName(json: JsonObject): string | undefined {
  return readText(readObject(json, 'serviceConfig'), 'service');
}

function toGuard(json: JsonObject, resource: string, generation: 1 | 2): Guard {
  const service = readServiceName(json);
  if (generation === 2 && service !== undefined) return toRunGuard(service);
  const path = toPath(generation === 1 ? 'v1' : 'v2', resource);
  return {
    kind: 'iam',
    question: { api: 'cloudfunctions', path, permission: 'cloudfunctions.functions.invoke' },
  };
}
