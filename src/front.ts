import type { TokenEvent } from './auth/token-events.ts';
import type { Clock } from './clock.ts';
import type { LocalSignIns } from './gate/sign-ins.ts';
import type { Observer } from './observe/events.ts';
import type { CrewState, Fill, UpstreamState } from './observe/state.ts';
import { type ListenerAddress, listen } from './relay/client/listen.ts';
import type { ExchangeContext } from './relay/exchange.ts';
import { createLoad } from './relay/load.ts';
import type { OpenSockets } from './relay/upstream/open-sockets.ts';
import type { Transport } from './relay/upstream/transport.ts';
import type { LoadedSite } from './site-loader.ts';

/** What takes clients' requests: this process, or others that it has started. */
export interface Front {
  /** Where it listens. */
  readonly addresses: readonly ListenerAddress[];
  /** What may only be so many at once. */
  fills(): Readonly<Record<'requests' | 'connections', Fill>>;
  upstreams(): readonly UpstreamState[];
  /** How the processes are; undefined where there is one. */
  readonly crew?: () => CrewState;
  /**
   * Brings what is said of the state up to date, within a moment. Never rejects. Left out: it is.
   * @param isFull also what has been counted
   */
  readonly look?: (isFull: boolean) => Promise<void>;
  /** Something has happened to a token. */
  readonly onToken?: (event: TokenEvent) => void;
  /** The end has been asked for; what comes until then is still served. */
  readonly onEnding?: () => void;
  /**
   * Makes another site ready to be put in force.
   * @throws ProxyError `config_invalid` for certificates that can't be used, and what hinders a process from taking it
   */
  prepare(loaded: LoadedSite): Promise<FrontChange>;
  /** Stops accepting, lets what is in flight finish, and breaks off what is left after `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

/** A site that can be put in force. One of both is called. */
export interface FrontChange {
  /** Names of the certificates that are others now. */
  readonly certFiles: readonly string[];
  /** Can't fail. What comes after it has resolved goes by the new site alone. */
  apply(): void | Promise<void>;
  /** Leaves everything as it is. */
  drop(): void;
}

export interface FrontParts {
  /** The first site. */
  readonly loaded: LoadedSite;
  /** The one in force. */
  readonly inForce: () => LoadedSite;
  readonly clock: Clock;
  readonly observer: Required<Observer> | undefined;
  readonly signIns: LocalSignIns;
  readonly openSockets: OpenSockets;
  readonly transports: () => readonly Transport[];
  readonly isDraining: () => boolean;
}

export type OpenFront = (parts: FrontParts) => Promise<Front>;

/**
 * Lets this process take the requests. It accepts them when this returns.
 * @throws ProxyError as `listen`
 */
export const openFront: OpenFront = async (parts) => {
  const { loaded, inForce, clock, observer, signIns, openSockets, transports, isDraining } = parts;
  const { listen: listeners, limits } = loaded.config;
  const load = createLoad(limits.requests);
  const context: ExchangeContext = {
    site: () => inForce().site,
    observer,
    load,
    signIns,
    isDraining,
    monotonicMs: () => performance.now(),
    wallMs: () => clock.now().wallMs,
  };
  const listener = await listen(listeners, {
    context,
    maxConnections: limits.connections,
    leaveOpenSockets: () => openSockets.leaveAll(),
  });
  return {
    addresses: listener.addresses,
    fills: () => ({ requests: load, connections: listener.connections }),
    upstreams: () => transports().map((transport) => transport.state()),
    async prepare({ config }) {
      const change = await listener.prepare(config.listen, config.limits.connections);
      return {
        certFiles: change.certFiles,
        apply() {
          change.apply();
          load.setLimit(config.limits.requests);
        },
        drop() {},
      };
    },
    close: (deadlineMs) => listener.close(deadlineMs),
  };
};
