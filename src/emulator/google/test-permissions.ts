import { invalidArgument } from './api-error.ts';
import type { GoogleRequest } from './http.ts';

/**
 * The permissions that a `testIamPermissions` asks for.
 * https://cloud.google.com/iam/docs/testing-permissions
 * @throws ApiError for anything but a list of permissions of the resource's own
 */
export function readPermissions({ body }: GoogleRequest, known: readonly string[]): readonly string[] {
  const permissions = readList(body);
  if (permissions === undefined || permissions.length > 100)
    throw invalidArgument('Invalid value at "permissions".');
  const foreign = permissions.find((permission) => !known.includes(permission));
  if (foreign !== undefined) throw invalidArgument(`Permission ${foreign} is not valid for this resource.`);
  return permissions;
}

function readList(body: string): readonly string[] | undefined {
  try {
    const value: unknown = JSON.parse(body);
    const list: unknown =
      typeof value === 'object' && value !== null && 'permissions' in value && value.permissions;
    return Array.isArray(list) && list.every((item) => typeof item === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}
