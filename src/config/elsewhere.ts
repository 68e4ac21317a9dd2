import type { Path } from './issues.ts';

/** A setting that is known under another name, or looked for in another place. */
interface Elsewhere {
  /** What it is called here; counts where there is such a setting. */
  readonly names?: readonly string[];
  /** What to write where there is none of those. */
  readonly advice?: string;
}

const UPSTREAM: Elsewhere = { names: ['upstream'] };
const CA_FILE: Elsewhere = { names: ['caFile'], advice: 'Write `caFile: …` at the top.' };
const KEY_FILE =
  '`credentials: { NAME: { kind: key-file, path: … } }` at the top, and `credentials: NAME` here.';
const IMPERSONATE =
  '`credentials: { NAME: { kind: impersonate, account: … } }` at the top, and `credentials: NAME` here.';
const FEDERATED =
  '`credentials: { NAME: { kind: federated, provider: …, from: github } }` at the top, and `credentials: NAME` here.';
const TLS: Elsewhere = {
  names: ['tls'],
  advice: 'Write `listen: { address: localhost:8443, tls: { cert: …, key: … } }` at the top.',
};
const UNIX: Elsewhere = { advice: 'Write `listen: unix:/path` at the top.' };
const REDIRECTS: Elsewhere = {
  names: ['redirects', 'localize'],
  advice: 'Write `localize: { redirects: … }`.',
};
const COOKIES: Elsewhere = { names: ['cookies', 'localize'], advice: 'Write `localize: { cookies: … }`.' };
const FORWARDED: Elsewhere = { names: ['forwarded'] };
const GATE_ORIGINS: Elsewhere = { advice: 'Write `gate: { origins: [ … ] }` at the top.' };
const CORS_HEADERS: Elsewhere = { advice: 'Write `cors: { headers: [ … ] }`.' };
const EXPOSE_HEADERS: Elsewhere = {
  names: ['exposeHeaders'],
  advice: 'Write `cors: { exposeHeaders: [ … ] }`.',
};
const WEBSOCKET: Elsewhere = { advice: 'WebSocket works on every route.' };
const BODY: Elsewhere = { names: ['body'], advice: 'Write `limits: { body: 32MiB }` at a route.' };
const RATE: Elsewhere = { names: ['rate'], advice: 'Write `limits: { rate: 100/s }` at a route.' };
const METHODS: Elsewhere = { names: ['methods'], advice: 'Write `methods: [GET, HEAD]` at a route.' };
const MERGE: Elsewhere = { advice: 'Merge keys are not supported: write the settings out.' };

/** In lower case, without `_` and `-`: the same setting is spelled in many ways. */
const ANYWHERE: Readonly<Record<string, Elsewhere>> = {
  url: UPSTREAM,
  target: UPSTREAM,
  backend: UPSTREAM,
  prefix: { names: ['path'] },
  auth: { advice: 'It is called `credentials`, or `token`.' },
  identity: { names: ['credentials'] },
  keyfile: { advice: `Write ${KEY_FILE}` },
  keyfilename: { advice: `Write ${KEY_FILE}` },
  serviceaccount: { advice: `Write ${IMPERSONATE}` },
  impersonateserviceaccount: { advice: `Write ${IMPERSONATE}` },
  workloadidentityprovider: { advice: `Write ${FEDERATED}` },
  port: { advice: 'Write `listen: localhost:8080` at the top.' },
  audience: { advice: 'Write `token: { kind: id, audience: … }`.' },
  scopes: { advice: 'Write `token: { kind: access, scopes: [ … ] }`.' },
  quotaproject: { advice: 'Write `token: { kind: access, quotaProject: … }`.' },
  billingproject: { names: ['quotaProject'], advice: 'Write `token: { kind: access, quotaProject: … }`.' },
  userproject: { names: ['quotaProject'], advice: 'Write `token: { kind: access, quotaProject: … }`.' },
  connect: { advice: 'Write `timeout: { connect: … }`.' },
  idle: { advice: 'Write `timeout: { idle: … }`.' },
  origins: GATE_ORIGINS,
  alloworigin: GATE_ORIGINS,
  alloworigins: GATE_ORIGINS,
  allowedorigins: GATE_ORIGINS,
  allowheaders: CORS_HEADERS,
  allowedheaders: CORS_HEADERS,
  exposedheaders: EXPOSE_HEADERS,
  hosts: { advice: 'Write `gate: { hosts: [ … ] }` at the top.' },
  ca: CA_FILE,
  cafile: CA_FILE,
  cacert: CA_FILE,
  cabundle: CA_FILE,
  universedomain: { advice: 'Write `universeDomain: …` at the top.' },
  tokentimeout: { advice: 'Write `tokenTimeout: …` at the top.' },
  tls: TLS,
  https: TLS,
  ssl: TLS,
  cert: TLS,
  certificate: TLS,
  clientsecret: {
    advice: 'Write `listen: { address: localhost:8080, clientSecret: env:NAME }` at the top.',
  },
  socket: UNIX,
  unix: UNIX,
  http2: { names: ['protocol'] },
  h2c: { names: ['protocol'] },
  maxconnections: { names: ['connections'], advice: 'Write `limits: { connections: … }` at the top.' },
  connections: { advice: 'Write `limits: { connections: … }` at the top.' },
  maxrequests: { names: ['requests'], advice: 'Write `limits: { requests: … }` at the top.' },
  requests: { advice: 'Write `limits: { requests: … }` at the top.' },
  body: BODY,
  bodysize: BODY,
  bodylimit: BODY,
  maxbody: BODY,
  maxbodysize: BODY,
  clientmaxbodysize: BODY,
  rate: RATE,
  ratelimit: RATE,
  limitreq: RATE,
  allowedmethods: METHODS,
  allowmethods: METHODS,
  allowedpaths: { names: ['paths'], advice: 'Write `paths: [/healthz, /v1/**]` at a route.' },
  retries: { names: ['retry'] },
  changeorigin: {
    advice: "Host is always the upstream's own; for Origin and Referer there is `origin: upstream`.",
  },
  autorewrite: REDIRECTS,
  protocolrewrite: REDIRECTS,
  redirects: REDIRECTS,
  cookies: COOKIES,
  cookiedomainrewrite: COOKIES,
  cookiepathrewrite: COOKIES,
  xfwd: FORWARDED,
  xforwarded: FORWARDED,
  xforwardedfor: FORWARDED,
  ws: WEBSOCKET,
  websocket: WEBSOCKET,
  '<<': MERGE,
};

const IN_CREDENTIALS: Readonly<Record<string, Elsewhere>> = {
  file: { names: ['path', 'from'] },
  keyfile: { names: ['path'], advice: 'Write `{ kind: key-file, path: … }`.' },
  keyfilename: { names: ['path'], advice: 'Write `{ kind: key-file, path: … }`.' },
  credentialsfile: { names: ['path'] },
  credentialsjson: { names: ['key'], advice: 'Write `{ kind: key-file, key: env:NAME }`.' },
  privatekey: { advice: 'Secrets are never written here: name the file Google gave you.' },
  serviceaccount: { names: ['account'], advice: 'Write `{ kind: impersonate, account: … }`.' },
  serviceaccountemail: { names: ['serviceAccount', 'account'] },
  targetprincipal: { names: ['account'] },
  email: { names: ['account', 'serviceAccount'] },
  impersonateserviceaccount: {
    names: ['serviceAccount'],
    advice: 'Write `{ kind: impersonate, account: … }`.',
  },
  sourcecredentials: { names: ['source'] },
  workloadidentityprovider: {
    names: ['provider'],
    advice: 'Write `{ kind: federated, provider: …, from: github }`.',
  },
  credentialsource: { names: ['from'] },
  tokenfile: { names: ['from'], advice: 'Write `{ kind: token, from: file:/path }`.' },
  audience: { names: ['provider'], advice: 'It belongs to a route: `token: { kind: id, audience: … }`.' },
  scopes: { advice: 'They belong to a route: `token: { kind: access, scopes: [ … ] }`.' },
  quotaproject: { advice: 'It belongs to a route: `token: { kind: access, quotaProject: … }`.' },
  '<<': MERGE,
};

const CERT: Elsewhere = { names: ['cert', 'tls'] };
const KEY: Elsewhere = { names: ['key', 'tls'] };
const ADDRESS: Elsewhere = { names: ['address'] };

const SECRET: Elsewhere = { names: ['clientSecret'] };
const CLIENT_CA: Elsewhere = {
  names: ['clientCa'],
  advice: 'Write `tls: { cert: …, key: …, clientCa: … }`.',
};

const IN_LISTEN: Readonly<Record<string, Elsewhere>> = {
  cert: CERT,
  certfile: CERT,
  certpath: CERT,
  certificate: CERT,
  key: KEY,
  keyfile: KEY,
  keypath: KEY,
  privatekey: KEY,
  https: { names: ['tls'] },
  ssl: { names: ['tls'] },
  host: ADDRESS,
  port: ADDRESS,
  path: ADDRESS,
  socket: ADDRESS,
  unix: ADDRESS,
  secret: SECRET,
  token: SECRET,
  password: SECRET,
  auth: SECRET,
  ca: CLIENT_CA,
  cacert: CLIENT_CA,
  cafile: CLIENT_CA,
  clientca: CLIENT_CA,
  clientcafile: CLIENT_CA,
  mtls: CLIENT_CA,
  chmod: { names: ['mode'] },
  permissions: { names: ['mode'] },
  '<<': MERGE,
};

const TOKEN_FILE: Elsewhere = { names: ['tokenFile'] };

const IN_ADMIN: Readonly<Record<string, Elsewhere>> = {
  host: ADDRESS,
  port: ADDRESS,
  listen: ADDRESS,
  file: TOKEN_FILE,
  token: TOKEN_FILE,
  secret: TOKEN_FILE,
  tls: { advice: 'The admin port speaks no TLS; it is for this machine.' },
  '<<': MERGE,
};

const BY_PLACE: Readonly<Record<string, Readonly<Record<string, Elsewhere>>>> = {
  credentials: IN_CREDENTIALS,
  listen: IN_LISTEN,
  admin: IN_ADMIN,
};

/**
 * Where a setting is that doesn't exist at a place, when it is one people know from other tools.
 * @param names the settings there are at the place
 */
export function explainKey(path: Path, key: string, names: readonly string[]): string | undefined {
  const table = BY_PLACE[path[0] ?? ''] ?? ANYWHERE;
  const plain = key === '<<' ? key : key.toLowerCase().replace(/[_-]/g, '');
  const found = Object.hasOwn(table, plain) ? table[plain] : undefined;
  const name = found?.names?.find((candidate) => names.includes(candidate));
  return name === undefined ? found?.advice : `It is called \`${name}\`.`;
}
