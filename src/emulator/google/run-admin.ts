import { PROJECT } from '../directory.ts';
import type { ListedService } from '../project.ts';
import { ApiError, answerOrRefusal, invalidArgument } from './api-error.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toJsonAnswer } from './http.ts';
import { authorizeInProject, isInvoker, toPage } from './project-request.ts';
import { readPermissions } from './test-permissions.ts';

const API = { service: 'run', title: 'Cloud Run Admin API' } as const;
const LIST_SERVICES = {
  ...API,
  method: 'google.cloud.run.v2.Services.ListServices',
  permission: 'run.services.list',
} as const;
const LIST_LOCATIONS = {
  ...API,
  method: 'google.cloud.location.Locations.ListLocations',
  permission: 'run.locations.list',
} as const;
const TEST_PERMISSIONS = {
  ...API,
  method: 'google.cloud.run.v2.Services.TestIamPermissions',
  permission: undefined,
} as const;

/**
 * `GET /v2/projects/{project}/locations/{region}/services`; `-` stands for all regions.
 * https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/list
 */
export function answerServices(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const { content, region } = await authorizeInProject(request, google, LIST_SERVICES);
    const { services, unreachable, takesWildcard, longestPage } = content;
    if (region === '-' && !takesWildcard) throw invalidArgument('Invalid resource name: location.');
    if (region !== '-' && unreachable.includes(region ?? '')) throw toUnavailable();
    const seen = services.filter((one) => !unreachable.includes(one.region));
    const wanted = region === '-' ? seen : seen.filter((one) => one.region === region);
    const { items, nextPageToken } = toPage(wanted, request, longestPage);
    const isGap = region === '-' && unreachable.length > 0;
    return toJsonAnswer(200, {
      ...(items.length > 0 && { services: items.map(toService) }),
      ...(nextPageToken !== undefined && { nextPageToken }),
      ...(isGap && { unreachable: unreachable.map(toLocation) }),
    });
  });
}

/**
 * `GET /v1/projects/{project}/locations`
 * https://cloud.google.com/run/docs/reference/rest/v1/projects.locations/list
 */
export function answerLocations(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const { content } = await authorizeInProject(request, google, LIST_LOCATIONS);
    const { items, nextPageToken } = toPage(content.regions, request, content.longestPage);
    return toJsonAnswer(200, {
      locations: items.map((region) => ({ name: toLocation(region), locationId: region })),
      ...(nextPageToken !== undefined && { nextPageToken }),
    });
  });
}

/**
 * `POST /v2/{service}:testIamPermissions`
 * https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/testIamPermissions
 */
export function answerServicePermissions(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const { caller, content, region } = await authorizeInProject(request, google, TEST_PERMISSIONS);
    if (content.unreachable.includes(region ?? '')) throw toUnavailable();
    const asked = readPermissions(request, ['run.routes.invoke', 'run.services.get']);
    const name = /\/services\/([^/]+):testIamPermissions$/.exec(request.path)?.[1];
    const service = content.services.find((one) => one.name === name && one.region === region);
    // One that isn't there has no permissions, which is no error.
    const has = (permission: string): boolean =>
      permission === 'run.routes.invoke' && service !== undefined && isInvoker(caller, service.invokers);
    const permissions = asked.filter(has);
    return toJsonAnswer(200, permissions.length === 0 ? {} : { permissions });
  });
}

/** A region has trouble. */
export function toUnavailable(): ApiError {
  return new ApiError(503, 'UNAVAILABLE', 'The service is currently unavailable.');
}

export function toLocation(region: string): string {
  return `projects/${PROJECT.id}/locations/${region}`;
}

function toService({ name, region, uri, fields }: ListedService): object {
  return {
    name: `${toLocation(region)}/services/${name}`,
    uid: '00000000-0000-4000-8000-000000000000',
    generation: '1',
    createTime: '2025-01-01T00:00:00.000000Z',
    updateTime: '2025-06-30T12:00:00.123456Z',
    launchStage: 'GA',
    ingress: 'INGRESS_TRAFFIC_ALL',
    template: {
      containers: [{ image: 'gcr.io/cloudrun/hello', env: [{ name: 'A', value: 'not for others' }] }],
    },
    terminalCondition: { type: 'Ready', state: 'CONDITION_SUCCEEDED' },
    ...(uri !== undefined && { uri, urls: [uri] }),
    ...fields,
  };
}
