import type { CredentialConfig } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import { describeRequest } from '../minted.ts';
import type { Credential } from '../token-source.ts';
import { type KindContext, readProjectFromEnv } from './kind.ts';

/** Nobody: a route with it sends no token. */
export function createNoneCredential(
  { kind }: CredentialConfig & { kind: 'none' },
  { env }: KindContext,
): Credential {
  return {
    kind,
    describe: () => 'no credentials',
    files: () => [],
    async mint(request) {
      throw new ProxyError(
        'credentials_invalid',
        `Could not get ${describeRequest(request)}: credentials of kind "none" have no tokens.`,
        { hint: 'Name other credentials, or write `token: none` for the route.' },
      );
    },
    projectId: async () => readProjectFromEnv(env),
  };
}
