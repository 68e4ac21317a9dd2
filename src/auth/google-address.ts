/** What the host name of a service says about it. A name Google didn't give says nothing. */
export interface GoogleAddress {
  readonly kind: 'run' | 'function' | 'api' | 'other';
  /** Name of the service or function. */
  readonly service: string | undefined;
  readonly region: string | undefined;
  /** Project id. */
  readonly project: string | undefined;
}

/** Region codes in `https://SERVICE-HASH-CODE.a.run.app`, as Google's own cloud-run-button knows them. */
const REGIONS: Readonly<Record<string, string>> = {
  an: 'asia-northeast1',
  de: 'asia-east1',
  ew: 'europe-west1',
  ez: 'europe-west4',
  lz: 'europe-north1',
  uc: 'us-central1',
  ue: 'us-east1',
  uk: 'us-east4',
  uw: 'us-west1',
};

/** `SERVICE-HASH-CODE.a.run.app`, behind a traffic tag or not. */
const HASHED = /^(?:[^.]*?---)?(.+)-[a-z0-9]{10}-([a-z]{2})\.a\.run\.app$/;
/** `SERVICE-PROJECTNUMBER.REGION.run.app`. */
const NUMBERED = /^(?:[^.]*?---)?(.+)-\d{6,}\.([a-z]+-[a-z]+\d+)\.run\.app$/;
/** `REGION-PROJECT.cloudfunctions.net/NAME`. */
const FUNCTION = /^([a-z]+-[a-z]+\d+)-(.+)\.cloudfunctions\.net$/;

/**
 * Takes the address of a Google service apart. A function's name is in its path, or in its audience.
 * https://cloud.google.com/run/docs/triggering/https-request
 */
export function parseGoogleAddress(url: string): GoogleAddress {
  const { hostname, pathname } = new URL(url);
  const host = hostname.replace(/\.$/, '');
  const [, hashed, code = ''] = HASHED.exec(host) ?? [];
  if (hashed !== undefined)
    return { kind: 'run', service: hashed, region: REGIONS[code], project: undefined };
  const [, numbered, region] = NUMBERED.exec(host) ?? [];
  if (numbered !== undefined) return { kind: 'run', service: numbered, region, project: undefined };
  const [, functionRegion, project] = FUNCTION.exec(host) ?? [];
  if (functionRegion !== undefined) {
    const name = pathname.split('/')[1] ?? '';
    return { kind: 'function', service: name === '' ? undefined : name, region: functionRegion, project };
  }
  const kind = host.endsWith('.run.app') ? 'run' : host.endsWith('.googleapis.com') ? 'api' : 'other';
  return { kind, service: undefined, region: undefined, project: undefined };
}

/** The command that lets somebody call a service. `member` is as in IAM policies. */
export function toInvokerCommand(address: GoogleAddress, member: string): string {
  const { service = 'SERVICE', region = 'REGION' } = address;
  if (address.kind === 'function') {
    const { service: name = 'FUNCTION', project = 'PROJECT' } = address;
    // It finds out by itself which generation the function is of, hence which role it takes.
    return `gcloud functions add-invoker-policy-binding ${name} --region=${region} --project=${project} --member=${member}`;
  }
  return `gcloud run services add-iam-policy-binding ${service} --region=${region} --member=${member} --role=roles/run.invoker`;
}

/** The command that changes a Cloud Run service; `change` is its flag. */
export function toUpdateCommand(
  { service = 'SERVICE', region = 'REGION' }: GoogleAddress,
  change: string,
): string {
  return `gcloud run services update ${service} --region=${region} ${change}`;
}
