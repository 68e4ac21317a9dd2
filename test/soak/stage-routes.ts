/** A route of the soak: who calls, and with which token. */
export interface StageRoute {
  readonly name: string;
  readonly credentials: string;
  /** Whom its ID tokens are for; undefined: it takes access tokens. */
  readonly audience: string | undefined;
  readonly upstream: 'plain' | 'tls' | 'http2';
}

const route = (
  name: string,
  credentials: string,
  upstream: StageRoute['upstream'] = 'plain',
): StageRoute => ({ name, credentials, audience: `https://${name}.soak.test`, upstream });

/** Those that are always there. */
export const STAGE_ROUTES: readonly StageRoute[] = [
  route('key', 'key'),
  route('machine', 'machine'),
  route('acting', 'default'),
  route('federated', 'federated'),
  route('secure', 'key', 'tls'),
  route('http2', 'key', 'http2'),
  { ...route('api', 'key'), audience: undefined },
];

/** The one that comes and goes. */
export const GUEST_ROUTE: StageRoute = route('guest', 'machine');
