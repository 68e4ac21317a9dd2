import type { CredentialConfig } from '../../config/config.ts';
import type { Advice, MintFailure } from '../failure.ts';
import type { Credential, MintedToken, TokenRequest } from '../token-source.ts';
import { adviseImpersonation } from './advice.ts';
import { type KindContext, readProjectFromEnv, toMember } from './kind.ts';

/**
 * A service account of the machine: Compute Engine, GKE, Cloud Run.
 * https://cloud.google.com/compute/docs/metadata/overview
 */
export function createMetadataCredential(
  { account }: CredentialConfig & { kind: 'metadata' },
  context: KindContext,
): Credential {
  const describe = (): string => `metadata server (${account})`;
  return {
    kind: 'metadata',
    describe,
    files: () => [],
    mint(request) {
      const advise = ({ unreachable, status }: MintFailure): string | undefined => {
        if (unreachable)
          return 'there is a metadata server on Google Cloud only; elsewhere use { kind: adc }';
        return status === 404
          ? `let the machine have a service account; this one asks for "${account}"`
          : undefined;
      };
      return mintFromMachine({ request, account, credential: describe(), context, advise });
    },
    async projectId() {
      return readProjectFromEnv(context.env) ?? (await import('./google.ts')).findMetadataProject(context);
    },
  };
}

export interface MachineOrder {
  readonly request: TokenRequest;
  /** An e-mail address, or `default`. */
  readonly account: string;
  /** What the credential says of itself. */
  readonly credential: string;
  readonly context: KindContext;
  /** What to do when the metadata server gives nothing. */
  readonly advise: (failure: MintFailure) => Advice | undefined;
}

/** Has a token minted for an account of the machine. */
export async function mintFromMachine({ account, advise, ...order }: MachineOrder): Promise<MintedToken> {
  const { mintByGoogle } = await import('./google.ts');
  let signer: string | undefined;
  return mintByGoogle({
    ...order,
    async connect(exchange) {
      const actor = await exchange.fromMetadata(account);
      signer = actor.email;
      return actor;
    },
    // Only a JWT takes more than the metadata server: IAM, and there the right to act as oneself.
    advise: (failure) =>
      order.request.kind === 'jwt' && signer !== undefined
        ? adviseImpersonation(failure, signer, toMember(signer))
        : advise(failure),
  });
}
