import type { TokenEvent } from './auth/token-events.ts';
import type { TokenRequest, TokenStatus } from './auth/token-source.ts';
import type { Observer } from './observe/events.ts';
import { type Exposition, writeMetrics } from './observe/metrics.ts';
import { joinObservers } from './observe/observers.ts';
import { type CrewState, type Fill, toStateFamilies, type UpstreamState } from './observe/state.ts';
import { createTally } from './observe/tally.ts';
import { readVersion } from './version.ts';

/** Counts what happens in a proxy, for `GET /metrics`. */
export interface Metering {
  /** Who is told of everything: the tally, and whoever else wants to know; undefined where there is nobody. */
  readonly observer: Required<Observer> | undefined;
  readonly onToken: (event: TokenEvent) => void;
  write(now: MeteredState): Promise<Exposition>;
}

/** How the proxy is when it is asked. */
export interface MeteredState {
  readonly requests: Fill;
  readonly connections: Fill;
  readonly routes: readonly { readonly name: string; status(): TokenStatus | undefined }[];
  readonly upstreams: readonly UpstreamState[];
  readonly crew: CrewState | undefined;
}

export interface MeteringOptions {
  /** Nobody can ask: nothing is counted. */
  readonly isOff: boolean;
  readonly observer: Observer | undefined;
  readonly onToken: ((event: TokenEvent) => void) | undefined;
}

export function createMetering({ isOff, observer, onToken }: MeteringOptions): Metering {
  const tally = createTally();
  const observers = [observer, isOff ? undefined : tally].filter((one) => one !== undefined);
  return {
    observer: observers.length === 0 ? undefined : joinObservers(observers),
    onToken(event) {
      if (!isOff && event.type !== 'token-recovered') {
        const error = event.type === 'token-failed' ? event.error.code : undefined;
        const { kind } = event.request;
        tally.onToken({ kind, audience: toAudience(event.request), durationMs: event.durationMs, error });
      }
      onToken?.(event);
    },
    write({ requests, connections, routes, upstreams, crew }) {
      tally.expect(routes.map(({ name }) => name));
      const own = [
        ...tally.families(),
        ...toStateFamilies({
          version: readVersion(),
          requests,
          connections,
          routes: routes.map(({ name, status }) => {
            const token = status();
            const tokenRemainingMs = token?.remainingMs;
            return {
              name,
              isReady: token === undefined || tokenRemainingMs !== undefined,
              tokenRemainingMs,
            };
          }),
          upstreams,
          crew,
        }),
      ];
      return writeMetrics([own, ...(crew?.counted ?? [])], crew?.processes);
    },
  };
}

function toAudience(request: TokenRequest): string {
  return request.kind === 'access' ? request.scopes.join(' ') : request.audience;
}
