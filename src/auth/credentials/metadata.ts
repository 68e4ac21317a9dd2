import type { CredentialConfig } from '../../config/config.ts';
import type { MintFailure } from '../failure.ts';
import type { Credential } from '../token-source.ts';
import { type KindContext, readProjectFromEnv } from './kind.ts';

/**
 * A service account of the machine: Compute Engine, GKE, Cloud Run.
 * https://cloud.google.com/compute/docs/metadata/overview
 */
export function createMetadataCredential(
  { account }: CredentialConfig & { kind: 'metadata' },
  context: KindContext,
): Credential {
  const describe = (): string => `metadata server (${account})`;
  const advise = ({ unreachable, status }: MintFailure): string | undefined => {
    if (unreachable) return 'there is a metadata server on Google Cloud only; elsewhere use { kind: adc }';
    return status === 404
      ? `let the machine have a service account; this one asks for "${account}"`
      : undefined;
  };
  return {
    kind: 'metadata',
    describe,
    files: () => [],
    async mint(request) {
      const { mintByGoogle } = await import('./google.ts');
      return mintByGoogle({
        request,
        credential: describe(),
        context,
        connect: (exchange) => exchange.fromMetadata(account),
        advise,
      });
    },
    async projectId() {
      return readProjectFromEnv(context.env) ?? (await import('./google.ts')).findMetadataProject(context);
    },
  };
}
