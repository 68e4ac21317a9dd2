import { ProxyError } from '../errors.ts';
import { isLoopbackHost } from '../loopback.ts';

/** The APIs that know what there is to call: a host name without its domain. */
export type ApiName = 'run' | 'cloudfunctions';

export interface ApiPlace {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `googleapis.com`, or that of another universe. */
  readonly universeDomain: string;
}

/** Where gcloud is told the same. https://cloud.google.com/sdk/gcloud/reference/config/set (`api_endpoint_overrides`) */
const VARIABLES: Readonly<Record<ApiName, string>> = {
  run: 'CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN',
  cloudfunctions: 'CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS',
};

/**
 * Where an API is: its usual host, or what gcloud's variable for it says: an endpoint of Private Service Connect, or the
 * emulator's.
 * @throws ProxyError `config_invalid` for a place that is neither Google's nor on this machine: an access token goes there
 */
export function findApiOrigin(api: ApiName, { env, universeDomain }: ApiPlace): URL {
  const variable = VARIABLES[api];
  const value = env[variable];
  if (!value) return new URL(`https://${api}.${universeDomain}`);
  const url = URL.parse(value);
  const isWhole = url !== null && url.pathname === '/' && url.search === '' && url.username === '';
  if (isWhole && isSafe(url, universeDomain)) return new URL(url.origin);
  throw new ProxyError(
    'config_invalid',
    `${variable} is neither a host of ${universeDomain} (https) nor one on this machine, and an access token would go there.`,
    { hint: `Unset it, or write ${variable}=https://${api}.${universeDomain}/` },
  );
}

function isSafe({ protocol, hostname }: URL, universeDomain: string): boolean {
  if (isLoopbackHost(hostname)) return protocol === 'http:' || protocol === 'https:';
  return protocol === 'https:' && hostname.endsWith(`.${universeDomain}`);
}
