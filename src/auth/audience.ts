import { isLoopbackHost } from '../loopback.ts';

/** Something the user should know about an audience nobody wrote down. */
export interface AudienceWarning {
  readonly message: string;
  readonly hint: string;
}

export interface InferredAudience {
  readonly audience: string;
  readonly warning?: AudienceWarning;
}

/** Where requests go: `https://host[:port]`, and `/` or `/a/b` without a trailing slash. */
export interface AudienceSubject {
  readonly origin: string;
  readonly basePath: string;
}

/** A traffic tag: `https://TAG---SERVICE-HASH-REGION.a.run.app`. Google checks for the service's URL, not the tag's. */
const TRAFFIC_TAG = /^[^.]*?---/;

/**
 * The audience an ID token for this upstream needs, where the configuration doesn't say.
 * https://cloud.google.com/run/docs/authenticating/service-to-service
 * https://cloud.google.com/functions/docs/securing/authenticating
 */
export function inferAudience({ origin, basePath }: AudienceSubject): InferredAudience {
  const { protocol, hostname, port } = new URL(origin);
  const host = toBareHost(hostname);
  const base = (name: string): string => `${protocol}//${name}${port === '' ? '' : `:${port}`}`;

  if (isCloudRunHost(host)) return { audience: base(host.replace(TRAFFIC_TAG, '')) };
  if (isWithin(host, 'cloudfunctions.net')) return inferFunctionAudience(base(host), basePath);
  if (isLoopbackHost(host) || host.endsWith('.localhost')) return { audience: base(host) };
  if (isWithin(host, 'googleapis.com')) {
    return {
      audience: base(host),
      warning: {
        message: `${host} is a Google API: it wants an access token, not an ID token.`,
        hint: 'token: { kind: access, scopes: [https://www.googleapis.com/auth/cloud-platform] }',
      },
    };
  }
  return {
    audience: base(host),
    warning: {
      message: `${host} is not a *.run.app host: ${base(host)} has to be a custom audience of the service behind it.`,
      hint: `gcloud run services update SERVICE --add-custom-audiences=${base(host)}`,
    },
  };
}

/** Whether a host name (or `host:port`) is one that Cloud Run gives to services. */
export function isCloudRunHost(host: string): boolean {
  return isWithin(toBareHost(host.replace(/:\d+$/, '')), 'run.app');
}

/** A person's ID token, which is for the OAuth client they signed in with, whatever was asked for. */
export interface OtherAudience {
  /** The audience asked for. */
  readonly asked: string;
  /** The token's `aud`. */
  readonly actual: string;
  readonly identity: string | undefined;
}

/** What to know about an ID token that is for another audience than the one asked for. */
export function explainOtherAudience({ asked, actual, identity }: OtherAudience): AudienceWarning {
  const whose = identity === undefined ? 'The ID token' : `The ID token of ${identity}`;
  const reach = isOAuthClientId(asked)
    ? 'Identity-Aware Proxy does not take it'
    : 'Cloud Run takes it; Identity-Aware Proxy and services that check the audience themselves do not';
  return {
    message: `${whose} is for ${actual}, not for ${asked}: Google gives people tokens for the OAuth client they signed in with. ${reach}.`,
    hint: 'Act as a service account: { kind: impersonate, account: NAME@PROJECT.iam.gserviceaccount.com }',
  };
}

/** Whether an audience is an OAuth client: that of a service behind Identity-Aware Proxy. */
export function isOAuthClientId(audience: string): boolean {
  return /^[\w-]+\.apps\.googleusercontent\.com$/.test(audience);
}

function inferFunctionAudience(base: string, basePath: string): InferredAudience {
  const name = basePath.split('/')[1] ?? '';
  if (name !== '') return { audience: `${base}/${name}` };
  return {
    audience: base,
    warning: {
      message: `The upstream ${base} names no function, and the audience of a function ends in its name.`,
      hint: `upstream: ${base}/FUNCTION`,
    },
  };
}

/** Lower case, and without the dot that ends a fully qualified name. */
function toBareHost(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

function isWithin(host: string, domain: string): boolean {
  return host.endsWith(`.${domain}`);
}
