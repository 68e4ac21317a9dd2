import type { CredentialConfig } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import type { Credential } from '../token-source.ts';
import type { KindContext } from './kind.ts';

/** The gcloud command. */
export function createGcloudCredential(
  _config: CredentialConfig & { kind: 'gcloud' },
  _context: KindContext,
): Credential {
  throw new ProxyError('internal', 'Under construction.');
}
