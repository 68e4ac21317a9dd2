import type { Discovery, UnreachableRegion } from './discover.ts';
import type { Planned } from './plan.ts';

/** What was found, for scripts. */
export interface DiscoveryReport {
  readonly project: string;
  readonly services: readonly ServiceReport[];
  readonly unreachable: readonly UnreachableRegion[];
  /** Why an API listed nothing. */
  readonly refused: readonly { readonly message: string; readonly hint: string | null }[];
}

export interface ServiceReport {
  readonly name: string;
  readonly kind: 'service' | 'function';
  readonly region: string;
  readonly url: string | null;
  /** Null: couldn't be told. */
  readonly invokable: boolean | null;
  /** The route's; null for what is left out. */
  readonly path: string | null;
  /** Why it is left out. */
  readonly leftOut: string | null;
}

/** As JSON. */
export function toDiscoveryReport(
  project: string,
  planned: readonly Planned[],
  { unreachable, refused }: Discovery,
): DiscoveryReport {
  const services = planned.map(({ found, path, leftOut }): ServiceReport => {
    const { name, kind, region, url = null, invokable = null } = found;
    const isRoute = leftOut === undefined;
    return {
      name,
      kind,
      region,
      url,
      invokable,
      path: isRoute ? path : null,
      leftOut: leftOut?.because ?? null,
    };
  });
  return {
    project,
    services,
    unreachable,
    refused: refused.map(({ message, hint = null }) => ({ message, hint })),
  };
}
