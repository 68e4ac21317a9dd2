import type { CredentialKind } from './config.ts';
import type { ConfigFile } from './schema.ts';

/** A `ConfigFile` with holes: whatever had the wrong shape is left out. */
export type Draft<T> = T extends string | number | boolean | undefined
  ? T
  : T extends readonly (infer E)[]
    ? readonly (Draft<E> | undefined)[]
    : { readonly [K in keyof T]?: Draft<T[K]> | undefined };

export type DraftFile = Draft<ConfigFile>;
export type DraftRoute = Draft<ConfigFile['routes'][number]>;
export type DraftListen = NonNullable<DraftFile['listen']>;
export type DraftCredential = Draft<NonNullable<ConfigFile['credentials']>[string]>;
/** A credential of one kind. */
export type DraftCredentialOf<Kind extends CredentialKind> = Extract<
  DraftCredential,
  { readonly kind?: Kind | undefined }
>;

/** Whether something was cut out of a map, so that what seems to be missing may only be mistyped. */
export function hasHole(draft: object): boolean {
  return Object.values(draft).includes(undefined);
}
