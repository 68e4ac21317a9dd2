import { resolve } from 'node:path';
import { isLoopbackHost } from '../../loopback.ts';
import {
  type CredentialFile,
  checkUniverse,
  isObject,
  readTarget,
  readText,
  toFieldError,
  toForeignUrlError,
} from './credential-file.ts';

/** How a workload elsewhere shows who it is, and whom Google then takes it for: a checked `external_account` file. */
export interface Federation {
  /** `//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`. */
  readonly audience: string;
  readonly subject: SubjectSource;
  /** `urn:ietf:params:oauth:token-type:jwt` and so on. */
  readonly subjectTokenType: string;
  /** Google's Security Token Service, or one on this machine. */
  readonly tokenUrl: string;
  /** E-mail of the service account that the file says to act as. */
  readonly account: string | undefined;
  /** Life of that account's access tokens, in seconds. */
  readonly lifetimeSeconds: number | undefined;
  readonly quotaProject: string | undefined;
  /** Project to bill for the exchange; workforce pools only. */
  readonly userProject: string | undefined;
  /** Where Google's other APIs are, when that is this machine: `emulate --dir` writes such files. */
  readonly endpoint: string | undefined;
  /** Of the OAuth client that exchanges tokens, where there is one. */
  readonly client: { readonly id: string; readonly secret: string | undefined } | undefined;
}

/** Where the token, or whatever takes its place, comes from. */
export type SubjectSource =
  | { readonly kind: 'file'; readonly path: string; readonly field: string | undefined }
  | {
      readonly kind: 'url';
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly field: string | undefined;
    }
  | {
      readonly kind: 'executable';
      readonly command: string;
      readonly timeoutMs: number;
      readonly outputFile: string | undefined;
    }
  | ({ readonly kind: 'aws' } & AwsSource)
  | {
      readonly kind: 'certificate';
      /** Undefined: where gcloud keeps it. */
      readonly configPath: string | undefined;
      readonly trustChainPath: string | undefined;
    };

/** Where AWS tells what the environment doesn't. */
export interface AwsSource {
  readonly regionUrl: string | undefined;
  readonly credentialsUrl: string | undefined;
  /** Of IMDSv2. */
  readonly sessionUrl: string | undefined;
  /** What is signed; `{region}` is filled in. */
  readonly verificationUrl: string;
}

/** `sts`, mutual TLS, a region's own, one reached by Private Service Connect. */
const STS_HOST = /^sts(?:\.mtls|\.[a-z0-9-]+\.rep|-[a-z0-9-]+\.p)?$/;
const AWS_METADATA_HOSTS: readonly string[] = ['169.254.169.254', '[fd00:ec2::254]'];
const AWS_STS_URL = /^https:\/\/sts\.\{region\}\.amazonaws\.com(?:\.cn)?\/?\?/;
/** https://google.aip.dev/auth/4117 */
const EXECUTABLE_TIMEOUT_MS = { least: 5_000, usual: 30_000, most: 120_000 } as const;

/**
 * What a file of type `external_account` says. `origin` names the file in messages.
 * https://google.aip.dev/auth/4117
 * @throws ProxyError `credentials_invalid` for what can't be used, and for URLs to which no secret may go
 */
export function parseFederation(file: CredentialFile, origin: string, universeDomain: string): Federation {
  checkUniverse(file, origin, universeDomain);
  const required = (field: string): string => {
    const value = readText(file, field);
    if (value === undefined) throw toFieldError(field, origin);
    return value;
  };
  const { credential_source: source, service_account_impersonation: impersonation } = file;
  if (!isObject(source)) throw toFieldError('credential_source', origin);
  const account = readTarget(file);
  if (account === undefined && file.service_account_impersonation_url !== undefined)
    throw toFieldError('service_account_impersonation_url', origin);
  const lifetimeSeconds = isObject(impersonation) ? impersonation.token_lifetime_seconds : undefined;
  const clientId = readText(file, 'client_id');
  return {
    audience: required('audience'),
    subject: parseSubject(source, origin),
    subjectTokenType: required('subject_token_type'),
    tokenUrl: parseTokenUrl(required('token_url'), origin, universeDomain),
    account,
    lifetimeSeconds: typeof lifetimeSeconds === 'number' ? lifetimeSeconds : undefined,
    quotaProject: readText(file, 'quota_project_id'),
    userProject: readText(file, 'workforce_pool_user_project'),
    endpoint:
      readLoopbackOrigin(file, 'service_account_impersonation_url') ??
      readLoopbackOrigin(file, 'cloud_resource_manager_url'),
    client: clientId === undefined ? undefined : { id: clientId, secret: readText(file, 'client_secret') },
  };
}

/**
 * Where a file has its token exchanged.
 * @throws ProxyError `credentials_invalid` unless that is Google's Security Token Service, or this machine
 */
export function parseTokenUrl(text: string, origin: string, universeDomain: string): string {
  const url = parseUrl('token_url', text, origin);
  const { protocol, hostname, port } = url;
  const name = hostname.endsWith(`.${universeDomain}`) ? hostname.slice(0, -universeDomain.length - 1) : '';
  const isGoogles = protocol === 'https:' && port === '' && STS_HOST.test(name);
  if (isGoogles || isLoopbackUrl(url)) return url.href;
  throw toForeignUrlError('token_url', url, origin, "Google's Security Token Service");
}

/**
 * Where a token is fetched from: some headers of such a request are secrets.
 * @throws ProxyError `credentials_invalid` for what is neither encrypted nor on this machine or beside it
 */
export function parseSubjectUrl(text: string, origin: string): string {
  const url = parseUrl('credential_source.url', text, origin);
  const isBeside = isLoopbackHost(url.hostname) || isLinkLocal(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isBeside)) return url.href;
  throw toForeignUrlError('credential_source.url', url, origin, 'reached by https');
}

/** The files that are read for each token. */
export function listSubjectFiles(subject: SubjectSource): readonly string[] {
  const paths = (...named: readonly (string | undefined)[]): readonly string[] =>
    named.filter((path) => path !== undefined).map((path) => resolve(path));
  switch (subject.kind) {
    case 'file':
      return paths(subject.path);
    case 'executable':
      return paths(subject.outputFile);
    case 'certificate':
      return paths(subject.configPath, subject.trustChainPath);
    default:
      return [];
  }
}

function parseSubject(source: CredentialFile, origin: string): SubjectSource {
  if (source.environment_id !== undefined) return parseAws(source, origin);
  const { file, url, executable, certificate, headers = {} } = source;
  if (isObject(executable)) return parseExecutable(executable, origin);
  if (isObject(certificate)) {
    return {
      kind: 'certificate',
      configPath: readText(certificate, 'certificate_config_location'),
      trustChainPath: readText(certificate, 'trust_chain_path'),
    };
  }
  const field = parseFormat(source, origin);
  if (typeof file === 'string') return { kind: 'file', path: file, field };
  if (typeof url !== 'string') throw toFieldError('credential_source', origin);
  if (!isTextRecord(headers)) throw toFieldError('credential_source.headers', origin);
  return { kind: 'url', url: parseSubjectUrl(url, origin), headers, field };
}

/** Which field of a JSON document is the token; undefined for plain text. */
function parseFormat({ format }: CredentialFile, origin: string): string | undefined {
  if (!isObject(format) || format.type === undefined || format.type === 'text') return undefined;
  const field = readText(format, 'subject_token_field_name');
  if (format.type !== 'json' || field === undefined) throw toFieldError('credential_source.format', origin);
  return field;
}

function parseExecutable(executable: CredentialFile, origin: string): SubjectSource {
  const { least, usual, most } = EXECUTABLE_TIMEOUT_MS;
  const command = readText(executable, 'command');
  const { timeout_millis: timeoutMs = usual } = executable;
  if (command === undefined) throw toFieldError('credential_source.executable.command', origin);
  if (typeof timeoutMs !== 'number' || timeoutMs < least || timeoutMs > most)
    throw toFieldError('credential_source.executable.timeout_millis', origin);
  return { kind: 'executable', command, timeoutMs, outputFile: readText(executable, 'output_file') };
}

function parseAws(source: CredentialFile, origin: string): SubjectSource {
  const verificationUrl = readText(source, 'regional_cred_verification_url');
  if (source.environment_id !== 'aws1') throw toFieldError('credential_source.environment_id', origin);
  if (verificationUrl === undefined || !AWS_STS_URL.test(verificationUrl))
    throw toFieldError('credential_source.regional_cred_verification_url', origin);
  const metadataUrl = (field: string): string | undefined => {
    const text = readText(source, field);
    if (text === undefined) return undefined;
    const url = parseUrl(`credential_source.${field}`, text, origin);
    const isAws = url.protocol === 'http:' && AWS_METADATA_HOSTS.includes(url.host);
    if (isAws || isLoopbackUrl(url)) return url.href;
    throw toForeignUrlError(`credential_source.${field}`, url, origin, "AWS's metadata server");
  };
  return {
    kind: 'aws',
    regionUrl: metadataUrl('region_url'),
    credentialsUrl: metadataUrl('url'),
    sessionUrl: metadataUrl('imdsv2_session_token_url'),
    verificationUrl,
  };
}

function parseUrl(field: string, text: string, origin: string): URL {
  const url = URL.parse(text);
  if (url === null) throw toFieldError(field, origin);
  return url;
}

function readLoopbackOrigin(file: CredentialFile, field: string): string | undefined {
  const url = URL.parse(readText(file, field) ?? '');
  return url !== null && isLoopbackUrl(url) ? url.origin : undefined;
}

function isLoopbackUrl({ protocol, hostname }: URL): boolean {
  return (protocol === 'http:' || protocol === 'https:') && isLoopbackHost(hostname);
}

/** 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291), and AWS's metadata server. */
function isLinkLocal(hostname: string): boolean {
  if (AWS_METADATA_HOSTS.includes(hostname)) return true;
  return /^169\.254\.\d+\.\d+$|^\[fe[89ab][0-9a-f]:/.test(hostname);
}

function isTextRecord(value: unknown): value is Readonly<Record<string, string>> {
  return isObject(value) && Object.values(value).every((item) => typeof item === 'string');
}
