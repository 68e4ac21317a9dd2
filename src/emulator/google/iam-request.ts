import { type Account, findAccount, type Identity } from '../directory.ts';
import { type AccountPermission, hasPermission } from '../permissions.ts';
import { ApiError, invalidArgument, toErrorInfo } from './api-error.ts';
import { authenticate } from './caller.ts';
import type { Google, GoogleRequest } from './http.ts';

const ACCOUNT_NAME = /^projects\/-\/serviceAccounts\/([^/:]+)$/;
const REQUEST_PATH = /^\/v1\/(projects\/[^/]+\/serviceAccounts\/[^/:]+):[A-Za-z]+$/;

/** Scopes that open the IAM Service Account Credentials API. */
const SCOPES: readonly string[] = [
  'https://www.googleapis.com/auth/cloud-platform',
  'https://www.googleapis.com/auth/iam',
];

/** A method of the IAM Service Account Credentials API. */
export interface IamMethod {
  readonly name: string;
  readonly permission: AccountPermission;
  /** Names its request may have, in camelCase. */
  readonly fields: readonly string[];
}

export type Fields = Readonly<Record<string, unknown>>;

/**
 * On whose behalf a request is to be done, and what it says, after every check that all methods share.
 * @throws ApiError
 */
export async function authorize(
  request: GoogleRequest,
  google: Google,
  method: IamMethod,
): Promise<{ account: Account; fields: Fields }> {
  const caller = await authenticate(request, google, {
    service: 'iamcredentials',
    method: `google.iam.credentials.v1.IAMCredentials.${method.name}`,
    scopes: SCOPES,
  });
  const fields = parseFields(request.body, method);
  const delegates = toStrings(fields.delegates ?? []);
  if (delegates === undefined) throw invalidArgument('Invalid value at "delegates".');

  const account = findTarget(REQUEST_PATH.exec(request.path)?.[1] ?? '');
  const chain = delegates.map(findTarget);
  for (const [index, delegate] of chain.entries()) {
    const before = chain[index - 1] ?? caller;
    requirePermission(before, 'iam.serviceAccounts.implicitDelegation', delegate);
  }
  requirePermission(chain.at(-1) ?? caller, method.permission, account);
  return { account, fields };
}

function requirePermission(caller: Identity, permission: AccountPermission, target: Account): void {
  if (hasPermission(caller, permission, target)) return;
  const details = [toErrorInfo('IAM_PERMISSION_DENIED', 'iam.googleapis.com', { permission })];
  const message = `Permission '${permission}' denied on resource (or it may not exist).`;
  throw new ApiError(403, 'PERMISSION_DENIED', message, { details });
}

/** A request body: a JSON object with known fields only, in camelCase or the original snake_case. */
function parseFields(body: string, method: IamMethod): Fields {
  let value: unknown;
  try {
    value = JSON.parse(body === '' ? '{}' : body);
  } catch {
    throw invalidArgument('Invalid JSON payload received. Unexpected token.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument('Invalid JSON payload received. Root element must be a message.');
  }
  const fields: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (!method.fields.includes(name)) {
      throw invalidArgument(
        `Invalid JSON payload received. Unknown name ${JSON.stringify(key)}: Cannot find field.`,
      );
    }
    fields[name] = field;
  }
  return fields;
}

/** The service account with a resource name; the project must be the wildcard. */
function findTarget(name: string): Account {
  const emailOrId = ACCOUNT_NAME.exec(name)?.[1];
  if (emailOrId === undefined) {
    throw invalidArgument('Name must be of the form projects/-/serviceAccounts/{ACCOUNT_EMAIL_OR_UNIQUEID}.');
  }
  const account = findAccount(emailOrId);
  if (account?.kind === 'service-account') return account;
  throw new ApiError(404, 'NOT_FOUND', `Not found; Gaia id not found for email ${emailOrId}`);
}

/** An array of strings; undefined for anything else. */
export function toStrings(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
}
