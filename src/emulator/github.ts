import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { signJwt } from './jwt.ts';
import type { Keys } from './keys.ts';

/** `iss` of every token GitHub makes for a workflow. */
export const GITHUB_ISSUER = 'https://token.actions.githubusercontent.com';

/** The repository whose workflow runs here. */
const OWN_REPOSITORY = 'example/app';

/** Life of a token: six hours. */
const LIFETIME_MS = 21_600_000;

/** How far back `nbf` reaches. */
const BACKDATED_SECONDS = 300;

/** Which token to make. */
export interface GithubTokenOrder {
  /** The owner's page unless given. */
  readonly audience?: string | undefined;
  /** `owner/name` of the repository whose workflow asks; `example/app` unless given. */
  readonly repository?: string | undefined;
  readonly lifetimeMs?: number | undefined;
  /** By how much GitHub's clock is off. */
  readonly clockOffsetMs?: number | undefined;
}

/** GitHub's OpenID Connect provider for workflows. */
export interface Github {
  /** What the workflow's job shows to get tokens: `ACTIONS_ID_TOKEN_REQUEST_TOKEN`. */
  readonly requestToken: string;
  /** https://docs.github.com/actions/reference/security/oidc#oidc-token-claims */
  issueToken(order: GithubTokenOrder): Promise<string>;
}

export function createGithub({ clock, keys }: { readonly clock: Clock; readonly keys: Keys }): Github {
  const runId = String(10_000_000_000 + randomBytes(4).readUInt32BE());
  const commit = randomBytes(20).toString('hex');
  return {
    requestToken: `emulated-${randomBytes(48).toString('base64url')}`,
    async issueToken({ audience, repository = OWN_REPOSITORY, lifetimeMs = LIFETIME_MS, clockOffsetMs = 0 }) {
      const iat = Math.floor((clock.now().wallMs + clockOffsetMs) / 1000);
      const [owner = ''] = repository.split('/');
      const ref = 'refs/heads/main';
      const workflow = `${repository}/.github/workflows/deploy.yml@${ref}`;
      const claims = {
        jti: randomUUID(),
        sub: `repo:${repository}:ref:${ref}`,
        aud: audience ?? `https://github.com/${owner}`,
        ref,
        sha: commit,
        repository,
        repository_owner: owner,
        repository_owner_id: '90000001',
        run_id: runId,
        run_number: '17',
        run_attempt: '1',
        repository_visibility: 'private',
        repository_id: '800000001',
        actor_id: '70000001',
        actor: 'octo-dev',
        workflow: 'deploy',
        head_ref: '',
        base_ref: '',
        event_name: 'push',
        ref_protected: 'true',
        ref_type: 'branch',
        workflow_ref: workflow,
        workflow_sha: commit,
        job_workflow_ref: workflow,
        job_workflow_sha: commit,
        runner_environment: 'github-hosted',
        iss: GITHUB_ISSUER,
        nbf: iat - BACKDATED_SECONDS,
        iat,
        exp: iat + Math.floor(lifetimeMs / 1000),
      };
      const key = await keys.github();
      return signJwt(claims, key.privateKey, key.id);
    },
  };
}
