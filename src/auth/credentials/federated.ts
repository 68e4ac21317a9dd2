import type { CredentialConfig } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import type { Credential } from '../token-source.ts';
import type { KindContext } from './kind.ts';

/** A workload elsewhere that shows who it is. */
export function createFederatedCredential(
  _config: CredentialConfig & { kind: 'federated' },
  _context: KindContext,
): Credential {
  throw new ProxyError('internal', 'Under construction.');
}
