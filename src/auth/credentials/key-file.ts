import type { CredentialConfig, SecretSource } from '../../config/config.ts';
import type { Credential } from '../token-source.ts';
import { adviseKey, type KeyFacts } from './advice.ts';
import { type CredentialFile, parseCredentialFile, readText } from './credential-file.ts';
import { toTypeError } from './credential-type.ts';
import { type KindContext, readProjectFromEnv } from './kind.ts';
import { describeSecret, listSecretFiles, readSecret } from './secret.ts';

/** A service account's key, in a file or a variable; read again for each mint. */
export function createKeyFileCredential(
  { key }: CredentialConfig & { kind: 'key-file' },
  context: KindContext,
): Credential {
  const name = describeSecret(key, 'key');
  let email: string | undefined;
  const describe = (): string => (email === undefined ? name : `${name} (${email})`);
  const read = async (): Promise<CredentialFile> => {
    const file = parseCredentialFile(decodeKey(await readSecret(key, 'key', context.env)), name);
    const path = key.kind === 'file' ? key.path : undefined;
    if (file.type !== 'service_account') throw toTypeError(file, { name, path, expected: 'service_account' });
    email = readText(file, 'client_email');
    return file;
  };
  return {
    kind: 'key-file',
    describe,
    files: () => listSecretFiles(key),
    async mint(request) {
      const file = await read();
      const facts = { email, uniqueId: readText(file, 'client_id'), ...toKeyPlace(key) };
      const { mintByGoogle } = await import('./google.ts');
      return mintByGoogle({
        request,
        credential: describe(),
        context,
        connect: (exchange) => exchange.fromFile(file, `the ${name}`),
        advise: (failure) => adviseKey(failure, facts),
      });
    },
    async projectId() {
      return readText(await read(), 'project_id') ?? readProjectFromEnv(context.env);
    },
  };
}

/** JSON, or that in Base64, as it is often kept in a CI system's variables. */
function decodeKey(text: string): string {
  return text.startsWith('{') ? text : Buffer.from(text, 'base64').toString('utf8');
}

function toKeyPlace(key: SecretSource): Pick<KeyFacts, 'path' | 'nextStep'> {
  return key.kind === 'file'
    ? { path: key.path }
    : { path: 'KEY.json', nextStep: `put its content into $${key.name}` };
}
