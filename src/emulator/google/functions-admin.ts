import { PROJECT } from '../directory.ts';
import type { ListedFunction, ProjectContent } from '../project.ts';
import { answerOrRefusal } from './api-error.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toJsonAnswer } from './http.ts';
import { authorizeInProject, isInvoker, toPage } from './project-request.ts';
import { toLocation, toUnavailable } from './run-admin.ts';
import { readPermissions } from './test-permissions.ts';

const API = { service: 'cloudfunctions', title: 'Cloud Functions API' } as const;
const LIST_FUNCTIONS = {
  ...API,
  method: 'google.cloud.functions.v2.FunctionService.ListFunctions',
  permission: 'cloudfunctions.functions.list',
} as const;
const TEST_PERMISSIONS = {
  ...API,
  method: 'google.cloud.functions.v1.CloudFunctionsService.TestIamPermissions',
  permission: undefined,
} as const;

/**
 * `GET /v2/projects/{project}/locations/{region}/functions`, of both generations; `-` stands for all regions.
 * https://cloud.google.com/functions/docs/reference/rest/v2/projects.locations.functions/list
 */
export function answerFunctions(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const { content, region } = await authorizeInProject(request, google, LIST_FUNCTIONS);
    const { functions, unreachable, longestPage } = content;
    if (region !== '-' && unreachable.includes(region ?? '')) throw toUnavailable();
    const seen = functions.filter((one) => !unreachable.includes(one.region));
    const wanted = region === '-' ? seen : seen.filter((one) => one.region === region);
    const { items, nextPageToken } = toPage(wanted, request, longestPage);
    return toJsonAnswer(200, {
      ...(items.length > 0 && { functions: items.map((one) => toFunction(one, content)) }),
      ...(nextPageToken !== undefined && { nextPageToken }),
      ...(region === '-' && unreachable.length > 0 && { unreachable: unreachable.map(toLocation) }),
    });
  });
}

/**
 * `POST /v1/{function}:testIamPermissions`, and the same of version 2.
 * https://cloud.google.com/functions/docs/reference/rest/v1/projects.locations.functions/testIamPermissions
 */
export function answerFunctionPermissions(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const { caller, content, region } = await authorizeInProject(request, google, TEST_PERMISSIONS);
    if (content.unreachable.includes(region ?? '')) throw toUnavailable();
    const asked = readPermissions(request, [
      'cloudfunctions.functions.invoke',
      'cloudfunctions.functions.get',
    ]);
    const name = /\/functions\/([^/]+):testIamPermissions$/.exec(request.path)?.[1];
    const found = content.functions.find((one) => one.name === name && one.region === region);
    const has = (permission: string): boolean =>
      permission === 'cloudfunctions.functions.invoke' && isInvoker(caller, found?.invokers ?? []);
    const permissions = asked.filter(has);
    return toJsonAnswer(200, permissions.length === 0 ? {} : { permissions });
  });
}

function toFunction(one: ListedFunction, { services }: ProjectContent): object {
  const { name, region, generation, service, fields } = one;
  const behind = services.find((other) => other.name === service && other.region === region);
  return {
    name: `${toLocation(region)}/functions/${name}`,
    environment: `GEN_${generation}`,
    state: 'ACTIVE',
    updateTime: '2025-06-30T12:00:00.123456Z',
    url: `https://${region}-${PROJECT.id}.cloudfunctions.net/${name}`,
    serviceConfig: {
      ingressSettings: 'ALLOW_ALL',
      ...(service !== undefined && { service: `${toLocation(region)}/services/${service}` }),
      ...(behind?.uri !== undefined && { uri: behind.uri }),
    },
    ...fields,
  };
}
