import type { FederationConfig } from './config.ts';
import { type DraftCredentialOf, hasHole } from './draft.ts';
import { type FileNameContext, parseFileName } from './file-name.ts';
import { type Path, quote, type Refuse, type RefuseAt } from './issues.ts';
import { nearest } from './nearest.ts';
import { isSecret, parseSecretSource } from './secret.ts';

type DraftFederation = DraftCredentialOf<'federated'>;

/** A provider's name in its parts; other places put the name of an API in front. */
const PROVIDER =
  /^(.*?)(projects\/([\w.:-]+)\/locations\/global\/workloadIdentityPools\/[a-z0-9-]{1,32}\/providers\/[a-z0-9-]{1,32})$/;
const API = /^(?:(?:https?:)?\/\/)?iam\.googleapis\.com\/(?:v1\/)?$/;
const EXAMPLE =
  'They look like `projects/123456789012/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`; to see it: gcloud iam workload-identity-pools providers describe PROVIDER --workload-identity-pool=POOL --location=global --format="value(name)"';
const ORIGINS = ['github', 'aws'] as const;
const THERE_ARE = 'There are `github`, `aws`, and `file:/path` of a file that holds an OIDC token.';

export interface FederationContext extends FileNameContext {
  readonly refuseAt: RefuseAt;
}

/** Reads how a workload shows who it is: by a file that says all of it, or by a provider and where its token comes from. */
export function readFederation(
  draft: DraftFederation,
  path: Path,
  context: FederationContext,
): FederationConfig | undefined {
  const { refuseAt } = context;
  if ('path' in draft) {
    refuseBesidePath(draft, path, refuseAt);
    if (draft.path === undefined) return undefined;
    const file = parseFileName(draft.path, context, refuseAt([...path, 'path']));
    return file === undefined ? undefined : { kind: 'config-file', path: file };
  }
  if (!('provider' in draft)) {
    if (hasHole(draft)) return undefined;
    return refuseAt(path)(
      '`provider` is missing, or `path`.',
      'Write `path: FILE` for a credential configuration file; or `provider: projects/…`, and `from:` with github, aws or file:/path.',
    );
  }
  const provider =
    draft.provider === undefined ? undefined : parseProvider(draft.provider, refuseAt([...path, 'provider']));
  const origin = readOrigin(draft, path, context);
  return provider === undefined || origin === undefined ? undefined : { ...origin, provider };
}

function refuseBesidePath(draft: DraftFederation, path: Path, refuseAt: RefuseAt): void {
  for (const setting of ['provider', 'from'] as const) {
    if (!(setting in draft)) continue;
    refuseAt([...path, setting], 'key')(
      `\`path\` and \`${setting}\` exclude each other.`,
      'The file at `path` says which provider it is for, and where the token comes from.',
    );
  }
}

/** Reads a provider's name, with its API in front or not, into `projects/…`. */
function parseProvider(text: string, refuse: Refuse): string | undefined {
  const [, before = '', provider, project = ''] = PROVIDER.exec(text) ?? [];
  if (provider === undefined) {
    const isWorkforce = text.includes('/workforcePools/');
    return refuse(
      `${quote(text)} is not a workload identity provider.`,
      isWorkforce
        ? 'For a workforce pool, name its file: `path: FILE` (gcloud iam workforce-pools create-cred-config).'
        : EXAMPLE,
    );
  }
  if (before !== '' && !API.test(before)) {
    return refuse(`${quote(text)} is not a workload identity provider.`, `Write \`${provider}\`.`);
  }
  if (!/^\d+$/.test(project)) {
    return refuse(
      `The provider names the project ${quote(project)} by its id; Google knows it by its number.`,
      `To see it: gcloud projects describe ${project} --format="value(projectNumber)"`,
    );
  }
  return provider;
}

type Origin =
  | { readonly kind: (typeof ORIGINS)[number] }
  | { readonly kind: 'token-file'; readonly path: string };

/** Reads where the workload gets its own token. */
function readOrigin(draft: DraftFederation, path: Path, context: FederationContext): Origin | undefined {
  const refuse = context.refuseAt([...path, 'from']);
  const { from } = draft;
  if (from === undefined) return hasHole(draft) ? undefined : refuse('`from` is missing.', THERE_ARE);
  const known = ORIGINS.find((origin) => origin === from);
  if (known !== undefined) return { kind: known };
  if (isSecret(from)) {
    return refuse(
      'This is a token itself; a configuration only says where it is.',
      'Put it into a file, and write `file:/path` here.',
    );
  }
  if (!/^file:/i.test(from)) {
    const meant = nearest(from, ORIGINS);
    const hint = meant === undefined ? '' : `Did you mean \`${meant}\`? `;
    return refuse("A workload's token can't come from there.", hint + THERE_ARE);
  }
  const file = parseSecretSource(from, context, refuse);
  return file?.kind === 'file' ? { kind: 'token-file', path: file.path } : undefined;
}
