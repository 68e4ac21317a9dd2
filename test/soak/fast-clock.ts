import type { Clock } from '../../src/clock.ts';

/**
 * How much faster time goes by for Google, the proxy and its tokens. A token is renewed every few seconds then, and an idle connection to an
 * upstream closed after two.
 */
export const SPEED = 30;

/** Life of every token, by that time. It is renewed when 4 to 5 minutes of it are left: 8 real seconds for that. */
export const TOKEN_LIFETIME_MS = 400_000;

/** What several processes have in common that share a time. */
const START_VARIABLE = 'SOAK_START_MS';

/** The environment of a process for which time runs fast from now on. */
export function startFastTime(): Readonly<Record<string, string>> {
  return { [START_VARIABLE]: String(Date.now()) };
}

/** A clock that runs fast since the moment that the environment names. */
export function createFastClock(): Clock {
  const startMs = Number(process.env[START_VARIABLE]);
  const RealDate = Date;
  return {
    now: () => ({
      wallMs: startMs + (RealDate.now() - startMs) * SPEED,
      monotonicMs: performance.now() * SPEED,
    }),
    schedule(delayMs, run) {
      const timer = setTimeout(run, delayMs / SPEED);
      timer.unref();
      return () => clearTimeout(timer);
    },
    wait: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs / SPEED)),
  };
}

/** Has libraries of this process, too, live by a clock: google-auth-library stamps and keeps tokens by `Date`. */
export function setDate(clock: Clock): void {
  const RealDate = Date;
  globalThis.Date = new Proxy(RealDate, {
    construct: (_target, given, newTarget) =>
      Reflect.construct(RealDate, given.length === 0 ? [clock.now().wallMs] : given, newTarget),
    get: (target, name, receiver) =>
      name === 'now' ? () => clock.now().wallMs : Reflect.get(target, name, receiver),
  });
}
