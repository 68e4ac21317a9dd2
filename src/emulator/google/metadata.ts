import { ACCOUNTS, PROJECT } from '../directory.ts';
import { type Issuance, toEmailClaims } from '../issuer.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toErrorPage } from './http.ts';

/** The root of everything but the version listing. */
const ROOT = '/computeMetadata/v1';

const ZONE = 'asia-northeast1-b';
const INSTANCE = {
  id: '4211111111111111111',
  name: 'emulated-instance',
  createdAtSeconds: 1_735_689_600,
} as const;

/** Whom the server speaks for. */
const MACHINE = { account: ACCOUNTS.compute, endpoint: 'metadata' } as const;

/** What the machine's service account may do: set when the machine was made. */
const SCOPES: readonly string[] = [
  'https://www.googleapis.com/auth/cloud-platform',
  'https://www.googleapis.com/auth/userinfo.email',
];

/** On every answer: how a client knows it talks to a metadata server and not to some other machine. */
const FLAVOR = { 'Metadata-Flavor': 'Google', Server: 'Metadata Server for VM' };

/** A directory of entries, or the text of one. */
type Entry = string | Directory;
interface Directory {
  readonly [name: string]: Entry;
}

const ACCOUNT_DIRECTORY: Directory = {
  aliases: 'default\n',
  email: ACCOUNTS.compute.email,
  identity: '',
  scopes: `${SCOPES.join('\n')}\n`,
  token: '',
};

const INSTANCE_DIRECTORY: Directory = {
  id: INSTANCE.id,
  name: INSTANCE.name,
  'service-accounts': { default: ACCOUNT_DIRECTORY, [ACCOUNTS.compute.email]: ACCOUNT_DIRECTORY },
  zone: `projects/${PROJECT.number}/zones/${ZONE}`,
};

const PROJECT_DIRECTORY: Directory = { 'numeric-project-id': PROJECT.number, 'project-id': PROJECT.id };

const MINTING = /^instance\/service-accounts\/([^/]+)\/(identity|token)$/;

/**
 * The metadata server of a virtual machine, under `/` and `/computeMetadata`.
 * https://cloud.google.com/compute/docs/metadata/querying-metadata
 */
export async function answerMetadata(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  const { headers, path } = request;
  if (path === '/') return toText('computeMetadata/\n');
  if (headers['x-forwarded-for'] !== undefined) return toRefusal(403, 'Forbidden');
  if (headers['metadata-flavor'] !== 'Google') return toRefusal(403, 'Missing Metadata-Flavor:Google header');
  if (path === '/computeMetadata' || path === '/computeMetadata/') return toText('v1/\n');
  if (path !== ROOT && !path.startsWith(`${ROOT}/`)) return toRefusal(404, 'Not Found');

  const name = path.slice(ROOT.length + 1);
  const [, account, what] = MINTING.exec(name) ?? [];
  const known = account === 'default' || account === ACCOUNTS.compute.email;
  if (known && what === 'identity') return answerIdentity(request, google);
  if (known && what === 'token') return answerToken(request, google);
  const universe = { 'universe-domain': google.universeDomain };
  const tree = { instance: INSTANCE_DIRECTORY, project: PROJECT_DIRECTORY, universe };
  return answerTree(request, name, tree);
}

/** `…/token?scopes=a,b` */
async function answerToken(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  const asked = (request.query.get('scopes') ?? '').split(',').filter((scope) => scope !== '');
  const { account, endpoint } = MACHINE;
  const scopes = asked.length === 0 ? SCOPES : asked;
  const order = { kind: 'access', endpoint, holder: account, scopes, clientId: account.id } as const;
  const { value, expiresInSeconds } = await google.issuer.issue(order, toIssuance(request));
  return toMetadataJson({ access_token: value, expires_in: expiresInSeconds, token_type: 'Bearer' });
}

/** `…/identity?audience=…&format=full` */
async function answerIdentity(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  const audience = request.query.get('audience') ?? '';
  if (audience === '') return toRefusal(400, 'non-empty audience parameter required');
  const { account, endpoint } = MACHINE;
  const claims = request.query.get('format') === 'full' ? toFullClaims() : {};
  const order = { kind: 'id', endpoint, account, audience, authorizedParty: account.id, claims } as const;
  return toText((await google.issuer.issue(order, toIssuance(request))).value);
}

/** This server keeps what it got, as the real one does. */
function toIssuance({ issuance }: GoogleRequest): Issuance {
  return issuance.reuse === 'always' ? issuance : { ...issuance, reuse: 'while-fresh' };
}

/** https://cloud.google.com/compute/docs/instances/verifying-instance-identity#payload */
function toFullClaims(): Readonly<Record<string, unknown>> {
  const machine = {
    instance_creation_timestamp: INSTANCE.createdAtSeconds,
    instance_id: INSTANCE.id,
    instance_name: INSTANCE.name,
    project_id: PROJECT.id,
    project_number: Number(PROJECT.number),
    zone: ZONE,
  };
  return { ...toEmailClaims(MACHINE.account), google: { compute_engine: machine } };
}

function answerTree(request: GoogleRequest, name: string, tree: Directory): GoogleAnswer {
  const segments = name.split('/').filter((segment) => segment !== '');
  let entry: Entry = tree;
  for (const segment of segments) {
    const next: Entry | undefined =
      typeof entry === 'object' && Object.hasOwn(entry, segment) ? entry[segment] : undefined;
    if (next === undefined) return toRefusal(404, 'Not Found');
    entry = next;
  }
  if (typeof entry === 'string') return toText(entry);
  if (request.query.get('recursive')?.toLowerCase() === 'true') return toMetadataJson(toJsonTree(entry));
  if (!request.path.endsWith('/')) return toRedirect(request);
  const listed = Object.entries(entry).map(([child, below]) =>
    typeof below === 'object' ? `${child}/` : child,
  );
  return toText(`${listed.join('\n')}\n`);
}

/** A directory as `recursive=true` shows it: camelCase names, lists as lists, nothing that would make a token. */
function toJsonTree(directory: Directory): Readonly<Record<string, unknown>> {
  const entries = Object.entries(directory).filter(([, entry]) => entry !== '');
  return Object.fromEntries(
    entries.map(([name, entry]) => [
      name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      typeof entry === 'object'
        ? toJsonTree(entry)
        : entry.endsWith('\n')
          ? entry.trimEnd().split('\n')
          : entry,
    ]),
  );
}

/** Directories have a trailing slash. */
function toRedirect({ headers, path }: GoogleRequest): GoogleAnswer {
  const location = `http://${headers.host}${path}/`;
  return { ...toText(`${location}\n`), status: 301, headers: { ...FLAVOR, Location: location } };
}

function toText(body: string): GoogleAnswer {
  return { status: 200, headers: { ...FLAVOR, 'Content-Type': 'application/text' }, body };
}

function toMetadataJson(value: unknown): GoogleAnswer {
  return {
    status: 200,
    headers: { ...FLAVOR, 'Content-Type': 'application/json' },
    body: JSON.stringify(value),
  };
}

function toRefusal(status: number, title: string): GoogleAnswer {
  const page = toErrorPage(status, title);
  return { ...page, headers: { ...page.headers, ...FLAVOR } };
}
