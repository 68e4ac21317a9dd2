import type { CredentialConfig } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import type { Credential } from '../token-source.ts';
import { type CredentialFile, readCredentialFile } from './credential-file.ts';
import { type KindContext, readProjectFromEnv } from './kind.ts';

/** A service account's key in a file, read again for each mint. */
export function createKeyFileCredential(
  { key }: CredentialConfig & { kind: 'key-file' },
  context: KindContext,
): Credential {
  const path = key.kind === 'file' ? key.path : '';
  let email: string | undefined;
  const describe = (): string => `key file ${path}${email === undefined ? '' : ` (${email})`}`;
  const read = async (): Promise<CredentialFile> => {
    const file = await readCredentialFile(path);
    if (file.type !== 'service_account') throw toTypeError(path, file.type);
    email = typeof file.client_email === 'string' ? file.client_email : undefined;
    return file;
  };
  return {
    kind: 'key-file',
    describe,
    files: () => [path],
    async mint(request) {
      const file = await read();
      const { mintByGoogle } = await import('./google.ts');
      return mintByGoogle({
        request,
        credential: describe(),
        context,
        connect: (exchange) => exchange.fromFile(file, path),
        advise: ({ reason }) =>
          reason !== 'invalid_grant'
            ? undefined
            : `gcloud iam service-accounts keys create ${path} --iam-account=${email ?? 'ACCOUNT'}`,
      });
    },
    async projectId() {
      const { project_id: project } = await read();
      return typeof project === 'string' ? project : readProjectFromEnv(context.env);
    },
  };
}

function toTypeError(path: string, type: unknown): ProxyError {
  if (typeof type !== 'string') {
    return new ProxyError(
      'credentials_invalid',
      `The key file ${path} has no "type": it is not a service account's key.`,
    );
  }
  const known = /^\w{1,60}$/.test(type) ? type : 'unknown';
  return new ProxyError(
    'credentials_invalid',
    `The key file ${path} is of type ${known}, not service_account.`,
    {
      hint: `Use { kind: adc } with GOOGLE_APPLICATION_CREDENTIALS=${path}.`,
    },
  );
}
