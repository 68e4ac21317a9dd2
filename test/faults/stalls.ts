/** Tells when this process last stood still. */
export interface StallWatch {
  /** On a clock that all processes of a machine share; 0 if it never did. */
  lastMs(): number;
  stop(): void;
}

const EVERY_MS = 20;

/** Milliseconds on a clock that all processes of a machine share. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1_000_000;
}

/** Watches for pauses of this process, or turns of its event loop, that are longer than `boundMs`. */
export function watchStalls(boundMs: number): StallWatch {
  let lookedMs = sharedNowMs();
  let lastMs = 0;
  const look = (): void => {
    const nowMs = sharedNowMs();
    if (nowMs - lookedMs > boundMs) lastMs = nowMs;
    lookedMs = nowMs;
  };
  const timer = setInterval(look, EVERY_MS).unref();
  return {
    lastMs() {
      look();
      return lastMs;
    },
    stop: () => clearInterval(timer),
  };
}
