import { readFile } from 'node:fs/promises';
import { ProxyError } from '../../errors.ts';
import { isLoopbackHost } from '../../loopback.ts';

/** What `gcloud` and the Cloud console write: one identity, in JSON. */
export type CredentialFile = Readonly<Record<string, unknown>>;

/** A credential file of type `impersonated_service_account`. */
export interface ImpersonatedFile {
  /** E-mail of the account to act as. */
  readonly account: string;
  readonly source: CredentialFile;
  readonly delegates: readonly string[];
  readonly lifetimeSeconds: number | undefined;
  readonly quotaProject: string | undefined;
  /** Instead of Google's IAM Service Account Credentials API; on this machine. */
  readonly endpoint: string | undefined;
}

const TARGET = /([^/]+):generate(?:Access|Id)Token$/;
const MAX_TARGET_URL_LENGTH = 256;

/**
 * Reads a credential file from disk.
 * @throws ProxyError `credentials_invalid`, which names the file and quotes nothing of it
 */
export async function readCredentialFile(path: string): Promise<CredentialFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new ProxyError(
      'credentials_invalid',
      `The key file ${path} ${missing ? 'does not exist' : 'cannot be read'}.`,
      {
        hint: 'Check "path" of this credential.',
        cause,
      },
    );
  }
  try {
    const file: unknown = JSON.parse(text);
    if (isCredentialFile(file)) return file;
  } catch {
    // The parser's message quotes the file.
  }
  throw new ProxyError('credentials_invalid', `The key file ${path} is not a JSON object.`, {
    hint: 'Use the file as Google made it: Cloud console, IAM, Service accounts, Keys, JSON.',
  });
}

/**
 * What a file of type `impersonated_service_account` says. `origin` names the file in messages.
 * @throws ProxyError `credentials_invalid`
 */
export function parseImpersonatedFile(file: CredentialFile, origin: string): ImpersonatedFile {
  const { service_account_impersonation_url: url, source_credentials: source, delegates, lifetime } = file;
  const account =
    typeof url === 'string' && url.length <= MAX_TARGET_URL_LENGTH ? TARGET.exec(url)?.[1] : undefined;
  if (account === undefined) throw toFieldError('service_account_impersonation_url', origin);
  if (!isCredentialFile(source)) throw toFieldError('source_credentials', origin);
  return {
    account,
    source,
    delegates: Array.isArray(delegates) ? delegates.filter((delegate) => typeof delegate === 'string') : [],
    lifetimeSeconds: typeof lifetime === 'number' ? lifetime : undefined,
    quotaProject: typeof file.quota_project_id === 'string' ? file.quota_project_id : undefined,
    endpoint: parseLoopbackUrl(file, 'endpoint', origin)?.replace(/\/$/, ''),
  };
}

/**
 * Where a file wants its tokens from, when that is this machine: `emulate --dir` writes such files. Google's own
 * addresses give undefined. Any other is refused: what was signed for Google could be replayed by whoever is there.
 * @throws ProxyError `credentials_invalid`
 */
export function parseLoopbackUrl(
  file: CredentialFile,
  field: 'token_uri' | 'endpoint',
  origin: string,
): string | undefined {
  const value = file[field];
  if (value === undefined || value === null) return undefined;
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url === null) throw toFieldError(field, origin);
  if (isLoopbackHost(url.hostname)) return url.href;
  if (isGoogleUrl(url)) return undefined;
  throw new ProxyError(
    'credentials_invalid',
    `"${field}" in ${origin} points to ${url.host}, which is not Google.`,
    {
      hint: 'Use the file as Google made it, and none that somebody sent you.',
    },
  );
}

function isCredentialFile(value: unknown): value is CredentialFile {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isGoogleUrl({ protocol, hostname, port }: URL): boolean {
  const google = hostname === 'accounts.google.com' || hostname.endsWith('.googleapis.com');
  return protocol === 'https:' && port === '' && google;
}

function toFieldError(field: string, origin: string): ProxyError {
  return new ProxyError(
    'credentials_invalid',
    `"${field}" in ${origin} is missing or not of the known form.`,
    {
      hint: 'Use the file as Google made it.',
    },
  );
}
