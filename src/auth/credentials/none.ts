import type { CredentialConfig } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import type { Credential } from '../token-source.ts';
import type { KindContext } from './kind.ts';

/** Sends no token. */
export function createNoneCredential(
  _config: CredentialConfig & { kind: 'none' },
  _context: KindContext,
): Credential {
  throw new ProxyError('internal', 'Under construction.');
}
