import { parseDuration } from '../config/duration.ts';
import { ProxyError } from '../errors.ts';

/** How long a proxy lives, and how it ends. */
export interface Lifetime {
  /** Goes on accepting for so long after it was asked to stop, while readiness says so already. */
  readonly drainDelayMs: number;
  /** What is in flight may take so long after that. */
  readonly drainTimeoutMs: number;
  /** Ends by itself after so long; undefined: never. */
  readonly maxLifetimeMs: number | undefined;
  /** SIGTERM is a success, not 143. */
  readonly exitZeroOnSigterm: boolean;
}

/** As the command line says it: durations such as `10s`. */
export interface LifetimeFlags {
  readonly drainDelay?: string | undefined;
  readonly drainTimeout?: string | undefined;
  readonly maxLifetime?: string | undefined;
  readonly exitZeroOnSigterm?: boolean | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

const DRAIN_TIMEOUT_MS = 10_000;

/**
 * Reads flags, and for those that are left out the environment (`GBP_DRAIN_DELAY`, `GBP_DRAIN_TIMEOUT`, `GBP_MAX_LIFETIME`).
 * @throws ProxyError `usage`
 */
export function readLifetime(flags: LifetimeFlags, env: Env): Lifetime {
  const read = (given: string | undefined, flag: string, variable: string): number | undefined => {
    if (given !== undefined) return toDuration(given, flag);
    const value = env[variable];
    return value ? toDuration(value, variable) : undefined;
  };
  const maxLifetimeMs = read(flags.maxLifetime, '--max-lifetime', 'GBP_MAX_LIFETIME');
  if (maxLifetimeMs === 0) throw toUsageError('--max-lifetime 0 would end before it begins.');
  return {
    drainDelayMs: read(flags.drainDelay, '--drain-delay', 'GBP_DRAIN_DELAY') ?? 0,
    drainTimeoutMs: read(flags.drainTimeout, '--drain-timeout', 'GBP_DRAIN_TIMEOUT') ?? DRAIN_TIMEOUT_MS,
    maxLifetimeMs,
    exitZeroOnSigterm: flags.exitZeroOnSigterm ?? false,
  };
}

function toDuration(text: string, name: string): number {
  // In a file that means "no limit", and no end is none.
  if (text === 'off') throw toUsageError(`${name} has no "off".`);
  let refusal = '';
  const durationMs = parseDuration(text, (message) => {
    refusal = message;
    return undefined;
  });
  if (durationMs === undefined) throw toUsageError(`${name}: ${refusal}`);
  return durationMs;
}

function toUsageError(message: string): ProxyError {
  return new ProxyError('usage', message, { hint: 'Durations look like 500ms, 10s, 55m, 8h; up to 24h.' });
}

/**
 * The exit code of a proxy that was asked to stop and did.
 * @param reason a signal's name, or whatever else asked
 */
export function toExitCode(reason: string, { exitZeroOnSigterm }: Lifetime): number {
  if (reason === 'SIGTERM') return exitZeroOnSigterm ? 0 : 143;
  // Ctrl-C is how a person ends it, and all else was asked for by name.
  return 0;
}
