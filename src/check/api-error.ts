import { findValue } from '../relay/field-lines.ts';
import type { Answer } from './http-probe.ts';
import { type Examined, failed } from './result.ts';

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';

/** Google's reasons for refusing, in words. https://cloud.google.com/apis/design/errors, ErrorInfo of google.api */
const REASONS: Readonly<Record<string, (host: string, project: string) => Examined>> = {
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: (host) =>
    failed(
      `The token lacks a scope that ${host} wants.`,
      `token: { kind: access, scopes: [${CLOUD_PLATFORM}] }`,
    ),
  SERVICE_DISABLED: (host, project) =>
    failed(
      `${host} is not enabled in the project ${project}.`,
      `gcloud services enable ${host} --project=${project}`,
    ),
  ACCESS_TOKEN_TYPE_UNSUPPORTED: (host) =>
    failed(`${host} takes access tokens, and another kind was sent.`, 'token: access'),
  ACCESS_TOKEN_EXPIRED: (host) =>
    failed(`${host} says that the token has expired.`, 'Renew it where it comes from.'),
  CREDENTIALS_MISSING: (host) => failed(`${host} wants an access token, and got none.`, 'token: access'),
  USER_PROJECT_DENIED: (_host, project) =>
    failed(
      `Whoever this token speaks for may not bill the project ${project}.`,
      `gcloud projects add-iam-policy-binding ${project} --member=MEMBER --role=roles/serviceusage.serviceUsageConsumer`,
    ),
};

/**
 * What a Google API has against a request, by the reason in its JSON; undefined where the answer isn't a Google API's
 * refusal. Of the body nothing is shown but the project's number.
 */
export function examineApiError({ status, lines, bodyStart }: Answer, host: string): Examined | undefined {
  const isRefusal = status === 401 || status === 403;
  const isJson = /^application\/json\b/i.test(findValue(lines, 'content-type') ?? '');
  if (!isRefusal || !isJson) return undefined;
  const project = /"consumer":\s*"projects\/([\w-]{1,40})"/.exec(bodyStart)?.[1] ?? 'PROJECT';
  // The body may be cut off, so it isn't parsed.
  for (const [, reason = ''] of bodyStart.matchAll(/"reason":\s*"([A-Z_]{1,60})"/g)) {
    const explain = Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined;
    if (explain !== undefined) return explain(host, project);
  }
  return status === 401
    ? failed(`${host} does not take the token.`, 'token: access')
    : failed(`Whoever this token speaks for lacks a permission at ${host}.`);
}
