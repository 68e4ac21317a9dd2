import type { CredentialConfig } from '../../config/config.ts';
import { toStandingError } from '../failure.ts';
import type { Credential } from '../token-source.ts';
import { adviseLogin, LOGIN } from './advice.ts';
import { type CredentialFile, readCredentialFile, readText } from './credential-file.ts';
import { toTypeError } from './credential-type.ts';
import { findLoginFile } from './gcloud-folder.ts';
import { isEmulated, type KindContext, readProjectFromEnv } from './kind.ts';

/** Somebody of a workforce pool, who has to say which. */
const WORKFORCE = 'external_account_authorized_user';

/**
 * Somebody's login, as `gcloud auth application-default login` keeps it: a person with a Google account, or one of a
 * workforce pool. Read again for each mint.
 */
export function createUserCredential(
  { path: given }: CredentialConfig & { kind: 'user' },
  context: KindContext,
): Credential {
  const path = given ?? findLoginFile(context.env);
  const name = `login file ${path}`;
  let identity: string | undefined;
  const describe = (): string => (identity === undefined ? name : `${name} (${identity})`);
  const renew = (command: string): string =>
    given === undefined ? command : `${command}, then copy its file to ${path}`;
  const read = async (): Promise<CredentialFile> => {
    const file = await readCredentialFile(path, name, renew(LOGIN));
    if (file.type === 'authorized_user' || file.type === WORKFORCE) return file;
    throw toTypeError(file, { name, path, expected: 'authorized_user' });
  };
  return {
    kind: 'user',
    describe,
    files: () => [path],
    async mint(request) {
      if (given === undefined && isEmulated(context)) {
        const order = { request, credential: name };
        throw toStandingError(order, 'it is for the real Google', 'Use { kind: adc } for emulated services.');
      }
      const file = await read();
      const login = file.type === WORKFORCE ? `${LOGIN} --login-config=CONFIG.json` : LOGIN;
      const { mintByGoogle } = await import('./google.ts');
      const minted = await mintByGoogle({
        request,
        credential: describe(),
        context,
        connect: (exchange) => exchange.fromFile(file, `the ${name}`),
        advise: (failure) => adviseLogin(failure, renew(login)),
      });
      identity = minted.identity;
      return minted;
    },
    async projectId() {
      return readProjectFromEnv(context.env) ?? readText(await read(), 'quota_project_id');
    },
  };
}
