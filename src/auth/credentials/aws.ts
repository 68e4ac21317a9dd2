import { readFile } from 'node:fs/promises';
import type { AwsSecurityCredentials, AwsSecurityCredentialsSupplier, gaxios } from 'google-auth-library';
import { isLoopbackHost } from '../../loopback.ts';
import { type MintSubject, toMintError, toStandingError } from '../failure.ts';
import { isObject, readText } from './credential-file.ts';
import type { AwsSource } from './federation.ts';
import type { KindContext } from './kind.ts';

type AwsSubject = Pick<MintSubject, 'request' | 'credential' | 'localNowMs'>;

const SESSION_SECONDS = '300';
const REGION = /^[a-z]{2}(?:-[a-z]+)+-\d+$/;
/** Of ECS, and of EKS's agent. */
const ECS_URL = 'http://169.254.170.2';
const CONTAINER_HOSTS: readonly string[] = ['169.254.170.2', '169.254.170.23', '[fd00:ec2::23]'];
const SET_REGION = 'Set AWS_REGION, for instance to us-east-1.';
const SET_KEYS =
  'Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or give the machine a role: aws ec2 associate-iam-instance-profile --instance-id ID --iam-instance-profile Name=PROFILE';
const ALLOW_HOP =
  'Off AWS, set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION. In a container on AWS: aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2';

/**
 * Who this machine is on AWS: the environment says it, else the metadata server (IMDSv2).
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
 */
export function createAwsSupplier(
  source: AwsSource,
  env: KindContext['env'],
  subject: AwsSubject,
): AwsSecurityCredentialsSupplier {
  let session: Promise<string> | undefined;

  const send = async (
    transporter: gaxios.Gaxios,
    request: gaxios.GaxiosOptions,
    missing: string,
    hint: string,
  ): Promise<string> => {
    try {
      const { data } = await transporter.request<unknown>({ ...request, responseType: 'text' });
      return typeof data === 'string' ? data.trim() : '';
    } catch (thrown) {
      throw toMintError(thrown, {
        ...subject,
        advise: ({ status, unreachable }) =>
          status === 404 ? { because: missing, hint } : unreachable ? ALLOW_HOP : hint,
      });
    }
  };

  const ask = async (
    transporter: gaxios.Gaxios,
    url: string,
    missing: string,
    hint: string,
  ): Promise<string> => {
    const { sessionUrl } = source;
    if (sessionUrl === undefined) return send(transporter, { url }, missing, hint);
    const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': SESSION_SECONDS };
    session ??= send(transporter, { url: sessionUrl, method: 'PUT', headers }, missing, hint);
    const token = await session;
    if (!/^[\x21-\x7e]+$/.test(token)) throw toStandingError(subject, missing, hint);
    return send(transporter, { url, headers: { 'x-aws-ec2-metadata-token': token } }, missing, hint);
  };

  return {
    async getAwsRegion({ transporter }) {
      const known = env.AWS_REGION || env.AWS_DEFAULT_REGION;
      if (known !== undefined && known !== '') return known;
      const missing = 'nothing says which AWS region this is';
      if (source.regionUrl === undefined) throw toStandingError(subject, missing, SET_REGION);
      // An availability zone is its region and a letter.
      const region = (await ask(transporter, source.regionUrl, missing, SET_REGION)).slice(0, -1);
      if (!REGION.test(region)) throw toStandingError(subject, missing, SET_REGION);
      return region;
    },
    async getAwsSecurityCredentials({ transporter }) {
      const missing = 'there are no AWS credentials here';
      const known = readEnvironment(env);
      if (known !== undefined) return known;
      const container = await readContainerSource(env, subject);
      if (container !== undefined) {
        const given = parseCredentials(await send(transporter, container, missing, SET_KEYS));
        if (given !== undefined) return given;
        throw toStandingError(subject, missing, SET_KEYS);
      }
      const { credentialsUrl } = source;
      if (credentialsUrl === undefined) throw toStandingError(subject, missing, SET_KEYS);
      const role = await ask(transporter, credentialsUrl, missing, SET_KEYS);
      if (!/^[\w+=,.@-]+$/.test(role)) throw toStandingError(subject, missing, SET_KEYS);
      const text = await ask(transporter, `${credentialsUrl.replace(/\/$/, '')}/${role}`, missing, SET_KEYS);
      const credentials = parseCredentials(text);
      if (credentials === undefined) throw toStandingError(subject, missing, SET_KEYS);
      return credentials;
    },
  };
}

/**
 * Where a container on ECS or EKS gets the credentials of its task or pod.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 * @throws ProxyError `credentials_invalid` when that is somewhere else than on this machine or beside it
 */
async function readContainerSource(
  env: KindContext['env'],
  subject: AwsSubject,
): Promise<gaxios.GaxiosOptions | undefined> {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: path, AWS_CONTAINER_CREDENTIALS_FULL_URI: full } = env;
  const text = path ? `${ECS_URL}${path}` : full;
  if (!text) return undefined;
  const url = URL.parse(text);
  const isKnown = url !== null && (CONTAINER_HOSTS.includes(url.host) || isLoopbackHost(url.hostname));
  if (!isKnown) {
    const because = 'AWS_CONTAINER_CREDENTIALS_FULL_URI leads off this machine';
    throw toStandingError(subject, because, SET_KEYS);
  }
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const token = file
    ? await readFile(file, 'utf8').catch(() => undefined)
    : env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
  return { url: url.href, ...(token && { headers: { Authorization: token.trim() } }) };
}

function readEnvironment(env: KindContext['env']): AwsSecurityCredentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) return undefined;
  const token = env.AWS_SESSION_TOKEN;
  return { accessKeyId, secretAccessKey, ...(token && { token }) };
}

function parseCredentials(text: string): AwsSecurityCredentials | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    // The parser's message quotes what may be a key.
  }
  if (!isObject(answer)) return undefined;
  const accessKeyId = readText(answer, 'AccessKeyId');
  const secretAccessKey = readText(answer, 'SecretAccessKey');
  const token = readText(answer, 'Token');
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(token !== undefined && { token }) };
}
