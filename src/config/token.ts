import type { CredentialConfig, TokenConfig } from './config.ts';
import type { DraftRoute } from './draft.ts';
import { type Path, quote, type Refuse, type RefuseAt } from './issues.ts';

const DEFAULT_SCOPES = ['https://www.googleapis.com/auth/cloud-platform'];
/** Scopes of OpenID Connect; all of Google's own are URLs. */
const SHORT_SCOPES = ['openid', 'email', 'profile'];
/** An id, with the domain of old ones in front, or a number. https://cloud.google.com/resource-manager/docs/creating-managing-projects */
const PROJECT = /^(?:(?:[a-z0-9-]+(?:\.[a-z0-9-]+)+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|\d{1,20})$/;

/** Whatever any kind of token has, each of which may be left out. */
interface TokenDraft {
  readonly kind?: TokenConfig['kind'] | undefined;
  readonly audience?: string | undefined;
  readonly scopes?: readonly (string | undefined)[] | undefined;
  readonly quotaProject?: string | undefined;
}

/**
 * Reads which token a route sends: none where its credentials are of kind none, and an ID token unless it says otherwise.
 * @param identity the route's credentials, as far as they could be read
 */
export function readToken(
  draft: DraftRoute['token'],
  identity: CredentialConfig | undefined,
  path: Path,
  refuseAt: RefuseAt,
): TokenConfig | undefined {
  const token: TokenDraft = typeof draft === 'object' ? draft : { kind: draft };
  if (identity?.kind === 'none' && token.kind !== 'none') {
    if (token.kind === undefined) return { kind: 'none' };
    return refuseAt(path)(
      'The credentials of this route are of kind none, so it can send no token.',
      'Name others with `credentials`, or take `token` out.',
    );
  }
  switch (token.kind) {
    case 'none':
      return { kind: 'none' };
    case 'access':
      return readAccessToken(token, path, refuseAt);
    case 'jwt': {
      const audience = readAudience(token, path, refuseAt);
      return audience === undefined ? undefined : { kind: 'jwt', audience };
    }
    default:
      return { kind: 'id', audience: readAudience(token, path, refuseAt) };
  }
}

function readAccessToken({ scopes, quotaProject }: TokenDraft, path: Path, refuseAt: RefuseAt): TokenConfig {
  for (const [index, scope] of (scopes ?? []).entries())
    checkScope(scope, refuseAt([...path, 'scopes', index]));
  if (quotaProject !== undefined) checkProject(quotaProject, refuseAt([...path, 'quotaProject']));
  return {
    kind: 'access',
    scopes: scopes?.filter((scope) => scope !== undefined) ?? DEFAULT_SCOPES,
    quotaProject,
  };
}

function readAudience({ kind, audience }: TokenDraft, path: Path, refuseAt: RefuseAt): string | undefined {
  if (audience === undefined || /^[\x21-\x7e]+$/.test(audience)) return audience;
  return refuseAt([...path, 'audience'])(
    `${quote(audience)} is not an audience.`,
    kind === 'jwt'
      ? 'It is the URL that is called, such as `https://app.example.com/*`.'
      : "It is the service's URL, or one of its custom audiences.",
  );
}

function checkScope(scope: string | undefined, refuse: Refuse): void {
  if (scope === undefined || SHORT_SCOPES.includes(scope) || /^https:\/\/[\x21-\x7e]+$/.test(scope)) return;
  const hint = /^[a-z][\w.-]*$/.test(scope)
    ? `Write \`https://www.googleapis.com/auth/${scope}\`.`
    : undefined;
  refuse(`${quote(scope)} is not a scope: Google's are URLs.`, hint);
}

function checkProject(text: string, refuse: Refuse): void {
  if (PROJECT.test(text)) return;
  const id = text.replace(/^projects\//, '');
  refuse(
    `${quote(text)} is not a project's id.`,
    PROJECT.test(id) ? `Write \`${id}\`.` : 'To see those there are: gcloud projects list',
  );
}
