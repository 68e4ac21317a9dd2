import { ProxyError } from '../errors.ts';
import type { ApiName } from './api-origin.ts';
import { isJsonObject, type JsonObject, readObject, readObjects, readText } from './json.ts';

/** What a Google API answered instead of what it was asked for. Its own words are left out, as they may quote anything. */
export class ApiRefusal extends Error {
  /** `run.googleapis.com`: what there is to enable, wherever it was reached. */
  readonly service: string;
  readonly status: number;
  /** `PERMISSION_DENIED` and so on, where it said. https://google.aip.dev/193 */
  readonly code: string | undefined;
  /** `SERVICE_DISABLED` and so on, where it said. */
  readonly reason: string | undefined;
  /** The project it counted the request for, by number or id. */
  readonly consumer: string | undefined;
  /** The permission that is missing. */
  readonly permission: string | undefined;

  constructor(api: ApiName, status: number, body: unknown) {
    super(`${api} answered ${status}`);
    const error = isJsonObject(body) ? readObject(body, 'error') : {};
    const info = readObjects(error, 'details').find((detail) => readText(detail, 'reason') !== undefined);
    this.service = `${api}.googleapis.com`;
    this.status = status;
    this.code = readWord(error, 'status', /^[A-Z_]{1,60}$/);
    this.reason = info && readWord(info, 'reason', /^[A-Z_]{1,80}$/);
    const metadata = info === undefined ? {} : readObject(info, 'metadata');
    this.consumer = readWord(metadata, 'consumer', /^projects\/[\w.:-]{1,60}$/)?.slice('projects/'.length);
    this.permission = readWord(metadata, 'permission', /^[\w.]{1,80}$/);
  }

  /** That region isn't there, or is forbidden by the organization. */
  get lacksRegion(): boolean {
    return this.reason === 'LOCATION_POLICY_VIOLATED' || this.reason === 'LOCATION_ORG_POLICY_VIOLATED';
  }

  /** It may work later: the API or the region has trouble of its own. */
  get isTemporary(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}

function readWord(object: JsonObject, field: string, shape: RegExp): string | undefined {
  const word = readText(object, field);
  return word !== undefined && shape.test(word) ? word : undefined;
}

/** Who asked for what. */
export interface Asked {
  readonly project: string;
  /** E-mail of whoever asked, where known. */
  readonly identity: string | undefined;
  /** As in IAM policies. */
  readonly member: string;
}

/** The role that a list needs, by the permission it lacks. */
const ROLES: Readonly<Record<string, string>> = {
  'run.services.list': 'roles/run.viewer',
  'run.locations.list': 'roles/run.viewer',
  'cloudfunctions.functions.list': 'roles/cloudfunctions.viewer',
};

type Explanation = readonly [message: string, hint: string | undefined];

/** Google's reasons for refusing, in words. https://cloud.google.com/apis/design/errors, ErrorInfo of google.api */
const REASONS: Readonly<Record<string, (refusal: ApiRefusal, asked: Asked) => Explanation>> = {
  SERVICE_DISABLED: ({ service, consumer }, { project }) => [
    `${service} is not enabled in the project ${consumer ?? project}.`,
    `gcloud services enable ${service} --project=${consumer ?? project}`,
  ],
  BILLING_DISABLED: ({ service, consumer }, { project }) => [
    `${service} answers nothing, as the project ${consumer ?? project} has no billing account.`,
    `gcloud billing projects link ${consumer ?? project} --billing-account=ACCOUNT`,
  ],
  CONSUMER_INVALID: (_refusal, { project, identity = 'whoever asks' }) => [
    `There is no project ${project} that ${identity} could see.`,
    'gcloud projects list',
  ],
  USER_PROJECT_DENIED: ({ consumer }, { project, member }) => [
    `Requests are billed to the project ${consumer ?? project}, and whoever asks may not do that.`,
    `gcloud projects add-iam-policy-binding ${consumer ?? project} --member=${member} --role=roles/serviceusage.serviceUsageConsumer`,
  ],
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: ({ service }) => [
    `The token lacks a scope that ${service} wants.`,
    'On a machine of Google Cloud, give it the scope cloud-platform: gcloud compute instances set-service-account NAME --scopes=cloud-platform',
  ],
};

/** Says what a refusal is about, and what helps. */
export function explainRefusal(refusal: ApiRefusal, asked: Asked): ProxyError {
  const [message, hint] = explain(refusal, asked);
  return new ProxyError('discovery_failed', message, { hint, cause: refusal });
}

function explain(refusal: ApiRefusal, asked: Asked): Explanation {
  const { service, status, reason = '', code, permission } = refusal;
  const known = Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined;
  if (known !== undefined) return known(refusal, asked);
  const { project, identity = 'whoever asks', member } = asked;
  if (status === 401)
    return [
      `${service} does not take the token of ${identity}.`,
      'Sign in again: gcloud auth application-default login',
    ];
  if (status === 403) {
    const role =
      ROLES[permission ?? ''] ??
      (service.startsWith('run') ? 'roles/run.viewer' : 'roles/cloudfunctions.viewer');
    return [
      `${service} lists nothing of the project ${project} to ${identity}: ${permission ?? 'a permission'} is missing, or there is no such project.`,
      `gcloud projects add-iam-policy-binding ${project} --member=${member} --role=${role}`,
    ];
  }
  if (status === 404) return [`There is no project ${project} at ${service}.`, 'gcloud projects list'];
  const words = code === undefined ? '' : ` ${code}`;
  if (status === 429)
    return [`${service} answered 429${words}: too many requests for now.`, 'Try again in a minute.'];
  return [`${service} answered ${status}${words}.`, status >= 500 ? 'Try again in a minute.' : undefined];
}
