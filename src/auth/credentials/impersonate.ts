import type { CredentialConfig } from '../../config/config.ts';
import type { Credential } from '../token-source.ts';
import { adviseImpersonation } from './advice.ts';
import { CLOUD_PLATFORM, type KindContext, toMember } from './kind.ts';

/**
 * A service account, as which another credential may act. That one gives an access token; the IAM Service Account
 * Credentials API then gives the token asked for, also where the other credential itself gets no ID tokens.
 * https://cloud.google.com/iam/docs/service-account-impersonation
 */
export function createImpersonateCredential(
  { account, source: sourceName, delegates }: CredentialConfig & { kind: 'impersonate' },
  context: KindContext,
): Credential {
  const source = context.find(sourceName);
  const describe = (): string => `${account} by way of ${source.describe()}`;
  return {
    kind: 'impersonate',
    describe,
    files: () => source.files(),
    ...(source.mintTimeoutMs !== undefined && { mintTimeoutMs: source.mintTimeoutMs }),
    async mint(request) {
      const acting = await source.mint({ kind: 'access', scopes: [CLOUD_PLATFORM] });
      const { mintByGoogle } = await import('./google.ts');
      const minted = await mintByGoogle({
        request,
        credential: describe(),
        context,
        connect: (exchange) => exchange.fromImpersonation(account, delegates, acting.value),
        advise: (failure) => adviseImpersonation(failure, delegates[0] ?? account, toMember(acting.identity)),
      });
      return { ...minted, quotaProject: minted.quotaProject ?? acting.quotaProject };
    },
    projectId: () => source.projectId(),
  };
}
