import { AWS_MACHINE } from '../aws.ts';
import type { Google, GoogleAnswer, GoogleRequest } from './http.ts';

/** The longest a session lasts: six hours. */
const MAX_TTL_SECONDS = 21_600;

/** How long a role's credentials are good for. */
const CREDENTIALS_LIFETIME_MS = 21_600_000;

const TTL_HEADER = 'x-aws-ec2-metadata-token-ttl-seconds';
const ROLES = '/latest/meta-data/iam/security-credentials';

/**
 * The metadata server of a machine on AWS, version 2: nothing without a session's token.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
 */
export function answerAwsMetadata(request: GoogleRequest, google: Google): GoogleAnswer {
  const { headers, method, path } = request;
  if (path === '/latest/api/token') return answerSession(request, google);
  if (method !== 'GET') return toError(405, 'Method Not Allowed');
  const session = String(headers['x-aws-ec2-metadata-token'] ?? '');
  if (!google.awsSessions.isOpen(session)) return toError(401, 'Unauthorized');
  switch (path) {
    case '/latest/meta-data/placement/availability-zone':
      return toText(AWS_MACHINE.zone);
    case '/latest/meta-data/placement/region':
      return toText(AWS_MACHINE.region);
    case ROLES:
    case `${ROLES}/`:
      return toText(AWS_MACHINE.role);
    case `${ROLES}/${AWS_MACHINE.role}`:
      return toText(JSON.stringify(toRoleDocument(request, google), undefined, 2));
    default:
      return toError(404, 'Not Found');
  }
}

/** `PUT /latest/api/token` */
function answerSession({ headers, method }: GoogleRequest, google: Google): GoogleAnswer {
  if (method !== 'PUT') return toError(405, 'Method Not Allowed');
  if (headers['x-forwarded-for'] !== undefined) return toError(403, 'Forbidden');
  const asked = String(headers[TTL_HEADER] ?? '');
  const seconds = /^\d{1,5}$/.test(asked) ? Number(asked) : 0;
  if (seconds < 1 || seconds > MAX_TTL_SECONDS) return toError(400, 'Bad Request');
  const token = google.awsSessions.start(seconds * 1000);
  return { ...toText(token), headers: { ...TEXT, [TTL_HEADER]: asked } };
}

function toRoleDocument({ issuance }: GoogleRequest, { awsCredentials, clock }: Google): object {
  const nowMs = clock.now().wallMs + (issuance.clockOffsetMs ?? 0);
  const toTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    Code: 'Success',
    LastUpdated: toTime(nowMs),
    Type: 'AWS-HMAC',
    AccessKeyId: awsCredentials.accessKeyId,
    SecretAccessKey: awsCredentials.secretAccessKey,
    Token: awsCredentials.sessionToken,
    Expiration: toTime(nowMs + (issuance.lifetimeMs ?? CREDENTIALS_LIFETIME_MS)),
  };
}

const SERVER = { Server: 'EC2ws' };
const TEXT = { ...SERVER, 'Content-Type': 'text/plain' };

function toText(body: string): GoogleAnswer {
  return { status: 200, headers: TEXT, body };
}

function toError(status: number, title: string): GoogleAnswer {
  const body = `<?xml version="1.0" encoding="iso-8859-1"?>
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>${status} - ${title}</title>
 </head>
 <body>
  <h1>${status} - ${title}</h1>
 </body>
</html>
`;
  return { status, headers: { ...SERVER, 'Content-Type': 'text/html' }, body };
}
