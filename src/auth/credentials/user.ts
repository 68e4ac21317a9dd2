import type { CredentialConfig } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import type { Credential } from '../token-source.ts';
import type { KindContext } from './kind.ts';

/** Somebody's login. */
export function createUserCredential(
  _config: CredentialConfig & { kind: 'user' },
  _context: KindContext,
): Credential {
  throw new ProxyError('internal', 'Under construction.');
}
