import { createTokenCache } from '../../src/auth/token-cache.ts';
import type { Credential } from '../../src/auth/token-source.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { connectApis } from '../../src/discovery/connect.ts';
import { type Discovery, discover } from '../../src/discovery/discover.ts';
import type { Emulator } from '../../src/emulator/emulator.ts';

export const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';

export interface SearchOptions {
  readonly project?: string;
  readonly regions?: readonly string[];
  readonly clock?: Clock;
  readonly onProgress?: (done: number, total: number | undefined) => void;
  /** In place of the emulator's own address. */
  readonly url?: string;
}

/** Searches the emulated project as the command does, with real tokens over real sockets. */
export async function search(
  emulator: Emulator,
  credential: Credential,
  options: SearchOptions = {},
): Promise<Discovery> {
  const { project = emulator.project.id, regions = [], clock = systemClock, onProgress } = options;
  const cache = createTokenCache({ clock: systemClock });
  const tokens = cache.source(credential, { kind: 'access', scopes: [CLOUD_PLATFORM] });
  const url = options.url ?? emulator.google.url;
  const env = {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN: url,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS: url,
  };
  const connection = connectApis({ tokens, universeDomain: 'googleapis.com', env, clock, userAgent: 'test' });
  try {
    const { identity } = await tokens.obtain();
    const asked = { project, identity, member: `serviceAccount:${identity}` };
    return await discover({ apis: connection.apis, regions, asked, ...(onProgress && { onProgress }) });
  } finally {
    connection.close();
    cache.close();
  }
}

/** What there is of a discovery, one line each: `orders europe-west1 service true`. */
export function toLines({ services }: Discovery): readonly string[] {
  return services.map(({ name, region, kind, generation, invokable }) =>
    [name, region, `${kind}${generation ?? ''}`, invokable].join(' '),
  );
}
