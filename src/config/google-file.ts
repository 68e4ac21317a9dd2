import type { CredentialKind } from './config.ts';

/** The types of Google's credential files, each with the kind of credentials that takes one. */
const KINDS: Readonly<Record<string, CredentialKind>> = {
  service_account: 'key-file',
  authorized_user: 'user',
  external_account: 'federated',
  external_account_authorized_user: 'user',
  impersonated_service_account: 'adc',
  gdch_service_account: 'adc',
};

/** The kind of credentials that a word of Google's stands for; undefined for any other word. */
export function toCredentialKind(type: string): CredentialKind | undefined {
  return Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
}

/**
 * The type of credential file a value is, if it is one: people start with the file Google gave them, and its lines are
 * not to be shown.
 */
export function typeOfGoogleFile(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('type' in value && typeof value.type === 'string' && Object.hasOwn(KINDS, value.type))
    return value.type;
  return 'installed' in value || 'web' in value ? 'OAuth client' : undefined;
}

/** How a configuration refers to a credential file of some type. */
export function explainGoogleFile(type: string, name: string): string {
  const kind = toCredentialKind(type);
  if (kind === undefined)
    return 'It names a program, not somebody who may call: log in with `gcloud auth application-default login`.';
  if (kind === 'adc')
    return `It is found by \`kind: adc\` when GOOGLE_APPLICATION_CREDENTIALS=${name} is set.`;
  return `A configuration can name it: \`credentials: { default: { kind: ${kind}, path: ${name} } }\`.`;
}
