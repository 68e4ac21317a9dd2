import type { CredentialConfig } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import type { Credential } from '../token-source.ts';
import type { KindContext } from './kind.ts';

/** A token somebody else makes. */
export function createTokenCredential(
  _config: CredentialConfig & { kind: 'token' },
  _context: KindContext,
): Credential {
  throw new ProxyError('internal', 'Under construction.');
}
