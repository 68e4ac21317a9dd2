import { type Identity, PROJECT, toIdentityName } from '../directory.ts';
import { mayListServices } from '../permissions.ts';
import type { ProjectContent } from '../project.ts';
import { ApiError, invalidArgument, toErrorInfo } from './api-error.ts';
import { authenticate } from './caller.ts';
import type { Google, GoogleRequest } from './http.ts';

/** A method of an API that is about something in a project. */
export interface ProjectMethod {
  /** `run`: the host without its domain. */
  readonly service: 'run' | 'cloudfunctions';
  /** As people know the API. */
  readonly title: string;
  /** `google.cloud.run.v2.Services.ListServices` */
  readonly method: string;
  /** What it takes; undefined where anybody may ask. */
  readonly permission: string | undefined;
}

export interface ProjectCall {
  readonly caller: Identity;
  readonly content: ProjectContent;
  /** `-` stands for all. */
  readonly region: string | undefined;
}

const SCOPES = ['https://www.googleapis.com/auth/cloud-platform'];
const PARENT = /^\/v[12]\/projects\/([^/]+)\/locations(?:\/([^/:]+))?/;

/**
 * On whose behalf something in the project is asked for, after every check that all methods share, in the order of Google's front
 * end: token, project, API, billing, region; and then the permission.
 * @throws ApiError
 */
export async function authorizeInProject(
  request: GoogleRequest,
  google: Google,
  method: ProjectMethod,
): Promise<ProjectCall> {
  const { service, permission } = method;
  const caller = await authenticate(request, google, { service, method: method.method, scopes: SCOPES });
  const [, project = '', region] = PARENT.exec(request.path) ?? [];
  if (project !== PROJECT.id && project !== PROJECT.number) throw toUnknownProject(project, method);
  const content = google.project.content();
  if (content.disabledApis.includes(service)) throw toDisabled(method);
  if (!content.hasBilling) throw toUnbilled(method);
  const isKnown = region === undefined || region === '-' || content.regions.includes(region);
  if (!isKnown) throw toUnknownRegion(region, method);
  if (permission !== undefined && !mayListServices(caller)) throw toDenied(permission, request.path, method);
  return { caller, content, region };
}

/** Whether the caller is among the invokers of something. */
export function isInvoker(caller: Identity, invokers: readonly string[] | 'everybody'): boolean {
  return invokers === 'everybody' || invokers.includes(toIdentityName(caller));
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextPageToken: string | undefined;
}

/**
 * The page of a list that was asked for. A token leads on in its own list only.
 * https://google.aip.dev/158
 * @throws ApiError for a size or a token that can't be
 */
export function toPage<Item>(
  all: readonly Item[],
  { path, query }: GoogleRequest,
  longestPage: number,
): Page<Item> {
  const size = query.get('pageSize') ?? '0';
  if (!/^\d{1,9}$/.test(size)) throw invalidArgument('Invalid value at "page_size".');
  const length = Math.min(Number(size) || longestPage, longestPage);
  const token = query.get('pageToken') ?? '';
  const start = token === '' ? 0 : readStart(token, path);
  if (start === undefined || start > all.length) throw invalidArgument('The page token is invalid.');
  const end = start + length;
  return {
    items: all.slice(start, end),
    nextPageToken: end < all.length ? Buffer.from(`${end} ${path}`).toString('base64url') : undefined,
  };
}

function readStart(token: string, path: string): number | undefined {
  const [, start, list] = /^(\d+) (.*)$/.exec(Buffer.from(token, 'base64url').toString('utf8')) ?? [];
  return start !== undefined && list === path ? Number(start) : undefined;
}

function denied(message: string, reason: string, metadata: Readonly<Record<string, string>>): ApiError {
  return new ApiError(403, 'PERMISSION_DENIED', message, {
    details: [toErrorInfo(reason, 'googleapis.com', metadata)],
  });
}

function toConsumer({ service }: ProjectMethod, project: string): Readonly<Record<string, string>> {
  return { service: `${service}.googleapis.com`, consumer: `projects/${project}` };
}

function toUnknownProject(project: string, method: ProjectMethod): ApiError {
  const message = `Permission denied on resource project ${project}.`;
  return denied(message, 'CONSUMER_INVALID', toConsumer(method, project));
}

function toDisabled(method: ProjectMethod): ApiError {
  const { service, title } = method;
  const activationUrl = `https://console.developers.google.com/apis/api/${service}.googleapis.com/overview?project=${PROJECT.number}`;
  const message =
    `${title} has not been used in project ${PROJECT.number} before or it is disabled. Enable it by visiting ` +
    `${activationUrl} then retry.`;
  return denied(message, 'SERVICE_DISABLED', { ...toConsumer(method, PROJECT.number), activationUrl });
}

function toUnbilled(method: ProjectMethod): ApiError {
  const message = `This API method requires billing to be enabled on project #${PROJECT.number}.`;
  return denied(message, 'BILLING_DISABLED', toConsumer(method, PROJECT.number));
}

function toUnknownRegion(region: string, method: ProjectMethod): ApiError {
  const message = `Permission denied on 'locations/${region}' (or it may not exist).`;
  const metadata = { ...toConsumer(method, PROJECT.number), location: region };
  return denied(message, 'LOCATION_POLICY_VIOLATED', metadata);
}

function toDenied(permission: string, path: string, { service }: ProjectMethod): ApiError {
  const resource = path.replace(/^\/v[12]\//, '').replace(/\/[a-z]+$/, '');
  const message =
    `Permission '${permission}' denied on resource '//${service}.googleapis.com/${resource}' ` +
    '(or resource may not exist).';
  const details = [toErrorInfo('IAM_PERMISSION_DENIED', 'iam.googleapis.com', { permission, resource })];
  return new ApiError(403, 'PERMISSION_DENIED', message, { details });
}
