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

const GOOGLE_UNIVERSE = 'googleapis.com';
/** An e-mail address or unique id, and nothing that could mean more in a URL or a command. */
const TARGET = /\/([\w.+-]+@[\w.:-]+|\d+):generate(?:Access|Id)Token$/;
const MAX_TARGET_URL_LENGTH = 256;

/**
 * Reads a credential file from disk. `name` is what messages call it, `hint` what to do when it isn't there.
 * @throws ProxyError `credentials_invalid`, which names the file and quotes nothing of it
 */
export async function readCredentialFile(
  path: string,
  name = `key file ${path}`,
  hint = 'Check "path" of this credential.',
): Promise<CredentialFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const message = `The ${name} ${missing ? 'does not exist' : 'cannot be read'}.`;
    throw new ProxyError('credentials_invalid', message, { hint, cause });
  }
  return parseCredentialFile(text, name);
}

/**
 * Reads what stands in a credential file. `name` is what messages call it, `hint` what to do when it isn't JSON.
 * @throws ProxyError `credentials_invalid`, which quotes nothing of it
 */
export function parseCredentialFile(
  text: string,
  name: string,
  hint = 'Use the file as Google made it: Cloud console, IAM, Service accounts, Keys, JSON.',
): CredentialFile {
  try {
    const file: unknown = JSON.parse(text);
    if (isObject(file)) return file;
  } catch {
    // The parser's message quotes the file.
  }
  throw new ProxyError('credentials_invalid', `The ${name} is not a JSON object.`, { hint });
}

/**
 * Refuses a file of another universe than the configured one: what it holds would be shown to the wrong Google.
 * @throws ProxyError `credentials_invalid`, with the line to write
 */
export function checkUniverse(file: CredentialFile, origin: string, universeDomain: string): void {
  const universe = readText(file, 'universe_domain') ?? GOOGLE_UNIVERSE;
  if (universe === universeDomain) return;
  const shown = /^[\w.-]{1,100}$/.test(universe) ? universe : 'another one';
  throw new ProxyError(
    'credentials_invalid',
    `The identity in ${origin} belongs to the universe ${shown}, not to ${universeDomain}.`,
    { hint: `universeDomain: ${shown}` },
  );
}

/**
 * What a file of type `impersonated_service_account` says. `origin` names the file in messages.
 * @throws ProxyError `credentials_invalid`
 */
export function parseImpersonatedFile(
  file: CredentialFile,
  origin: string,
  universeDomain = GOOGLE_UNIVERSE,
): ImpersonatedFile {
  const { source_credentials: source, delegates } = file;
  const account = readTarget(file);
  if (account === undefined) throw toFieldError('service_account_impersonation_url', origin);
  if (!isObject(source)) throw toFieldError('source_credentials', origin);
  return {
    account,
    source,
    delegates: Array.isArray(delegates) ? delegates.filter((delegate) => typeof delegate === 'string') : [],
    lifetimeSeconds: typeof file.lifetime === 'number' ? file.lifetime : undefined,
    quotaProject: readText(file, 'quota_project_id'),
    endpoint: parseLoopbackUrl(file, 'endpoint', origin, universeDomain)?.replace(/\/$/, ''),
  };
}

/** The account a file acts as. Of the URL nothing but the e-mail counts: where IAM is, isn't for a file to say. */
export function readTarget(file: CredentialFile): string | undefined {
  const url = readText(file, 'service_account_impersonation_url');
  return url !== undefined && url.length <= MAX_TARGET_URL_LENGTH ? TARGET.exec(url)?.[1] : undefined;
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
  universeDomain = GOOGLE_UNIVERSE,
): string | undefined {
  const value = file[field];
  if (value === undefined || value === null) return undefined;
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url === null) throw toFieldError(field, origin);
  if (isLoopbackHost(url.hostname)) return url.href;
  if (isGoogleUrl(url, universeDomain)) return undefined;
  throw toForeignUrlError(field, url, origin, 'Google');
}

/** A field's text; undefined where it is empty or of another sort. */
export function readText(file: CredentialFile, field: string): string | undefined {
  const value = file[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is CredentialFile {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field that isn't as Google writes it. Quotes nothing of the file. */
export function toFieldError(field: string, origin: string): ProxyError {
  return new ProxyError(
    'credentials_invalid',
    `"${field}" in ${origin} is missing or not of the known form.`,
    { hint: 'Use the file as Google made it.' },
  );
}

/** A file that would have secrets sent to somebody else. */
export function toForeignUrlError(field: string, url: URL, origin: string, expected: string): ProxyError {
  return new ProxyError(
    'credentials_invalid',
    `"${field}" in ${origin} points to ${url.host || url.protocol}, which is not ${expected}.`,
    { hint: 'Use the file as Google made it, and none that somebody sent you.' },
  );
}

function isGoogleUrl({ protocol, hostname, port }: URL, universeDomain: string): boolean {
  const google = hostname === 'accounts.google.com' || hostname.endsWith(`.${universeDomain}`);
  return protocol === 'https:' && port === '' && google;
}
