const GOOGLE_FILE_TYPES: readonly unknown[] = [
  'service_account',
  'authorized_user',
  'impersonated_service_account',
  'external_account',
  'external_account_authorized_user',
  'gdch_service_account',
];

/**
 * The kind of credential file a value is, if it is one: people start with the file Google gave them, and its lines are
 * not to be shown.
 */
export function kindOfGoogleFile(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('type' in value && GOOGLE_FILE_TYPES.includes(value.type)) return String(value.type);
  return 'installed' in value || 'web' in value ? 'OAuth client' : undefined;
}
