/**
 * What becomes of each setting in Envoy, once: what is said of an export, and what the tests compare with the schema, so that no
 * new setting is forgotten.
 */

/** What becomes of one setting. */
export type Fate =
  /** Envoy does the same. */
  | { readonly kind: 'carried' }
  /** It belongs to a setting, or one of its kinds, of which all is said. */
  | { readonly kind: 'with-kind' }
  /** Envoy does something like it; `text` says what is different. */
  | { readonly kind: 'differs'; readonly text: string }
  /** Envoy doesn't do it, or not without being unsafe; `text` says what comes of that. */
  | { readonly kind: 'left-out'; readonly text: string };

const carried: Fate = { kind: 'carried' };
const withKind: Fate = { kind: 'with-kind' };
const differs = (text: string): Fate => ({ kind: 'differs', text });
const leftOut = (text: string): Fate => ({ kind: 'left-out', text });

const OTHER_IDENTITY = leftOut(
  'Envoy gets tokens from the metadata server alone; the route answers 503. Run Envoy on a machine with that service account and write `{ kind: metadata }`.',
);

/**
 * By the setting's place in the file: `routes.timeout.idle`; `kind=adc` for one of several kinds. Some are told from one another
 * by what a configuration says: those have a `:` and a word behind.
 */
export const COVERAGE = {
  listen: carried,
  'listen:name': leftOut(
    'Envoy binds addresses, not names: this listener is left out. Write its IP address instead.',
  ),
  'listen:any-port': differs(
    'any free port: of 127.0.0.1 alone, as [::1] would get another. Envoy’s admin port tells which, under /listeners.',
  ),
  'listen.address': carried,
  'listen.clientSecret': leftOut(
    'Envoy can’t ask for a secret that is in a file or a variable, and would let everybody in: this listener is left out. Mutual TLS (`tls.clientCa`) is carried over.',
  ),
  'listen.mode': carried,
  'listen.tls': carried,
  'listen.tls.cert': carried,
  'listen.tls.key': carried,
  'listen.tls.clientCa': carried,
  admin: differs(
    'Envoy’s own admin port has other pages (/ready, /stats), and whoever reaches it can stop Envoy (POST /quitquitquit).',
  ),
  'admin.address': carried,
  'admin.tokenFile': leftOut('Envoy’s admin port asks for no token, so no file with one is written.'),
  log: leftOut('Envoy has an access log of its own, which is written here without values of queries.'),
  'log.format': withKind,
  'log.level': withKind,
  'log.sample': withKind,
  'log.slow': withKind,
  credentials: carried,
  'credentials.kind': carried,
  'credentials.kind=metadata': carried,
  'credentials.kind=none': carried,
  'credentials.kind=adc': leftOut(
    'Envoy looks for nothing but the metadata server: that is the same on Google’s machines, and elsewhere there are no tokens. Write `{ kind: metadata }` if that is what is meant.',
  ),
  'credentials.kind=key-file': OTHER_IDENTITY,
  'credentials.kind=user': OTHER_IDENTITY,
  'credentials.kind=impersonate': OTHER_IDENTITY,
  'credentials.kind=federated': OTHER_IDENTITY,
  'credentials.kind=gcloud': OTHER_IDENTITY,
  'credentials.kind=token': OTHER_IDENTITY,
  'credentials.account': leftOut(
    'Envoy asks the metadata server for the default service account alone; the route answers 503.',
  ),
  'credentials.path': withKind,
  'credentials.key': withKind,
  'credentials.source': withKind,
  'credentials.delegates': withKind,
  'credentials.provider': withKind,
  'credentials.from': withKind,
  'credentials.serviceAccount': withKind,
  routes: carried,
  'routes.path': carried,
  'routes.host': carried,
  'routes.upstream': carried,
  'routes.upstream:emulator': leftOut('Envoy has no emulator; the route answers 503.'),
  'routes.stripPath': carried,
  'routes.credentials': carried,
  'routes.token': carried,
  'routes.token.kind': carried,
  'routes.token.kind=id': carried,
  'routes.token.kind=access': carried,
  'routes.token.kind=jwt': leftOut('Envoy signs no JWTs; the route answers 503.'),
  'routes.token.kind=none': carried,
  'routes.token.audience': carried,
  'routes.token.scopes': carried,
  'routes.token.quotaProject': carried,
  'routes.methods': carried,
  'routes.readOnly': carried,
  'routes.paths': differs(
    'compared as they are sent, not decoded: a path with an escape passes below ** only.',
  ),
  'routes.limits': carried,
  'routes.limits.body': differs(
    'Envoy holds the whole body back until it has seen its end: a stream of requests (gRPC, a long upload) waits.',
  ),
  'routes.limits.rate': differs('each listener counts for itself.'),
  'routes.header': carried,
  'routes.timeout': carried,
  'routes.timeout.connect': carried,
  'routes.timeout.headers': differs(
    'Envoy has one limit for every silence, before the response’s head or after it: the longer of `headers` and `idle`.',
  ),
  'routes.timeout.idle': carried,
  'routes.headers': carried,
  'routes.headers.set': carried,
  'routes.headers.remove': carried,
  'routes.protocol': carried,
  'routes.localize': carried,
  'routes.localize.redirects': leftOut(
    'Location, Content-Location, Refresh and Link go back as the upstream wrote them, and lead past Envoy.',
  ),
  'routes.localize.cookies': leftOut(
    'Set-Cookie goes back as it is, with the upstream’s Domain, Path and Secure: browsers drop some.',
  ),
  'routes.origin': leftOut('Origin and Referer go on as the client sent them.'),
  'routes.cors': carried,
  'routes.cors.methods': carried,
  'routes.cors.headers': carried,
  'routes.cors:any-header': differs(
    'Envoy has to name the request headers that pages may send: the usual ones are. `cors: { headers: […] }` says which.',
  ),
  'routes.cors.exposeHeaders': carried,
  'routes.cors:any-response-header': differs(
    'Envoy has to name the response headers that pages may read: none but those that need no leave are. `cors: { exposeHeaders: […] }` says which.',
  ),
  'routes.cors.credentials': carried,
  'routes.cors.maxAge': carried,
  'routes.forwarded': carried,
  'routes.forwarded:forwarded': leftOut(
    'Envoy writes no Forwarded (RFC 7239). With `both` X-Forwarded-* are there, with `forwarded` nothing.',
  ),
  'routes.retry': differs(
    'once more where the connection never stood, or the upstream refused the stream: not where a kept connection proved closed under a request that was sent.',
  ),
  gate: carried,
  'gate.hosts': carried,
  'gate.origins': carried,
  'gate.allowUnauthenticatedClients': carried,
  limits: carried,
  'limits.connections': differs('what comes on top is closed without an answer.'),
  'limits.requests': differs('counted for each upstream by itself.'),
  caFile: leftOut(
    'Envoy trusts one file of certificates for upstreams: append these to it, and name it with --ca-bundle FILE.',
  ),
  tokenTimeout: carried,
  universeDomain: leftOut('Envoy takes the token that the metadata server gives, whatever its universe.'),
} satisfies Readonly<Record<string, Fate>>;

/** Where in a configuration something is. */
export type Setting = keyof typeof COVERAGE;

/** What holds for every export, whatever the configuration says. */
export const ALWAYS_DIFFERENT: readonly string[] = [
  'Answers of Envoy’s own are its own: no JSON with a code, a hint and the request’s id, no Proxy-Status.',
  'Links from other sites, and from one of the proxy’s own hosts to another, get 403: no page asks first.',
  'A page of a host that is no localhost passes as the proxy’s own only with the port that is listened on.',
  'A refused token isn’t renewed with the request sent once more, and nothing explains a refusal. No token in time is 403.',
  'ID tokens have no email claim: Envoy asks the metadata server for the short form.',
  'Requests for paths with dot segments, backslashes or control characters get 403, escaped ones too; overlong UTF-8 passes.',
  'Headers with _ in their name are dropped, and a client’s own X-Envoy-*; names reach upstreams in lower case.',
  'No forward proxy (HTTPS_PROXY), no `check`, no tokens on stdout, no circuit breaker that waits: Envoy has its own.',
];
