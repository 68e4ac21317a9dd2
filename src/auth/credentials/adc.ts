import type { CredentialConfig } from '../../config/config.ts';
import type { MintFailure } from '../failure.ts';
import type { Credential } from '../token-source.ts';
import { type KindContext, readProjectFromEnv, toGrantCommand } from './kind.ts';

const LOGIN = 'gcloud auth application-default login';

/**
 * Application default credentials: the file in `GOOGLE_APPLICATION_CREDENTIALS`, else gcloud's, else the machine's.
 * https://cloud.google.com/docs/authentication/application-default-credentials
 */
export function createAdcCredential(
  _config: CredentialConfig & { kind: 'adc' },
  context: KindContext,
): Credential {
  const describe = (): string => 'application default credentials';
  return {
    kind: 'adc',
    describe,
    files: () => [],
    async mint(request) {
      const { mintByGoogle } = await import('./google.ts');
      return mintByGoogle({
        request,
        credential: describe(),
        context,
        connect: (exchange) => exchange.fromApplicationDefault(),
        advise,
      });
    },
    async projectId() {
      const given = context.endpoints.applicationDefault;
      if (given === undefined) return (await import('./google.ts')).findDefaultProject();
      return typeof given.project_id === 'string' ? given.project_id : readProjectFromEnv(context.env);
    },
  };
}

function advise({ unreachable, reason }: MintFailure): string | undefined {
  if (unreachable) return undefined;
  const refusedByIam = reason === 'PERMISSION_DENIED' || reason === 'NOT_FOUND';
  return refusedByIam ? toGrantCommand('ACCOUNT', 'user:YOU@example.com') : LOGIN;
}
