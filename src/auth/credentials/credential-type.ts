import { ProxyError } from '../../errors.ts';
import { type CredentialFile, readText } from './credential-file.ts';

/** What a kind of credential expects, and got. */
export interface UnexpectedType {
  /** What messages call it: `key file /x`. */
  readonly name: string;
  /** Undefined where it isn't in a file. */
  readonly path: string | undefined;
  /** The type expected. */
  readonly expected: string;
}

/** A credential file that is another kind's, with the line that uses it. Quotes nothing of it but its type. */
export function toTypeError(file: CredentialFile, { name, path, expected }: UnexpectedType): ProxyError {
  const type = readText(file, 'type');
  if (type === undefined) {
    return new ProxyError(
      'credentials_invalid',
      `The ${name} has no "type": it is no credential file of Google's.`,
      {
        hint: 'Use the file as Google made it.',
      },
    );
  }
  const shown = /^\w{1,60}$/.test(type) ? type : 'unknown';
  return new ProxyError('credentials_invalid', `The ${name} is of type ${shown}, not ${expected}.`, {
    hint: path === undefined ? `Save it in a file: ${suggestKind(type, '/PATH')}` : suggestKind(type, path),
  });
}

/** The credentials to configure for a file of some type. */
function suggestKind(type: string, path: string): string {
  switch (type) {
    case 'service_account':
      return `{ kind: key-file, path: ${path} }`;
    case 'authorized_user':
    case 'external_account_authorized_user':
      return `{ kind: user, path: ${path} }`;
    case 'external_account':
      return `{ kind: federated, path: ${path} }`;
    default:
      return `{ kind: adc } with GOOGLE_APPLICATION_CREDENTIALS=${path}`;
  }
}
