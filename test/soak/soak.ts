import type { Measure } from '../support/process-measure.ts';
import { countMore, judgeLevel, judgeLog, judgeState } from './judge.ts';
import type { LoadCounts } from './load.ts';
import { type ProxyState, readProxyState } from './proxy-state.ts';
import { Reloader } from './reloader.ts';
import { openStage, type Stage, WEBSOCKETS } from './stage.ts';

export interface SoakOptions {
  /** All of them, those of the warm-up among them. */
  readonly requests: number;
  readonly seed: number;
  /** After so many no more requests are made, and after half of them none of the warm-up. */
  readonly seconds: number;
  /** Between two new configurations. */
  readonly reloadEveryMs: number;
  readonly sampleEveryMs: number;
  /** How long things are looked at that are at rest. */
  readonly restMs: number;
  readonly onSample: (sample: Sample) => void;
}

/** How things were at one moment. */
export interface Sample {
  /** Since the first request. */
  readonly atMs: number;
  readonly phase: 'load' | 'at rest';
  readonly load: LoadCounts;
  readonly reloads: number;
  /** Tokens that Google gave out. */
  readonly mints: number;
  /** What the proxy holds; at rest without its connections to Google. */
  readonly measure: Measure;
  /** Of the proxy, to upstreams and Google. */
  readonly farConnections: number;
  readonly state: ProxyState;
}

/** What a soak came to. */
export interface SoakReport {
  /** At rest, after the warm-up and at the end. */
  readonly before: Sample | undefined;
  readonly after: Sample | undefined;
  readonly reloads: Readonly<Record<string, number>>;
  /** By audience; '' for access tokens. */
  readonly mints: Readonly<Record<string, number>>;
  /** Everything that isn't as it should be; empty: all is held. */
  readonly findings: readonly string[];
}

/** The part of the requests after which things should be as they will stay. */
const WARM_UP = 0.1;
/** Below that the rest of Node's compiling would look like a leak. */
const LEAST_WARM_UP = 10_000;
/** How long what nobody uses may stay open: idle connections to upstreams close after 2 s. */
const SETTLING_MS = 30_000;
const LOOK_MS = 100;

/** Runs it all. Never throws: what is in the way is a finding. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const soak = new Soak(options);
  try {
    await soak.run();
  } catch (error) {
    soak.findings.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return soak.report();
}

class Soak {
  readonly findings: string[] = [];
  readonly #options: SoakOptions;
  #startMs = 0;
  #before: Sample | undefined;
  #after: Sample | undefined;
  #reloader: Reloader | undefined;
  #mints: Readonly<Record<string, number>> = {};

  constructor(options: SoakOptions) {
    this.#options = options;
  }

  report(): SoakReport {
    return {
      before: this.#before,
      after: this.#after,
      reloads: this.#reloader?.counts ?? {},
      mints: this.#mints,
      findings: this.findings,
    };
  }

  async run(): Promise<void> {
    const { requests, seed } = this.#options;
    const stage = await openStage(seed);
    try {
      this.#reloader = new Reloader(stage.first, stage);
      this.#startMs = performance.now();
      const warmUp = Math.max(requests * WARM_UP, Math.min(LEAST_WARM_UP, requests / 2));
      await this.#play(stage, Math.round(warmUp), 0.5);
      this.#before = await this.#rest(stage);
      await this.#play(stage, requests - Math.round(warmUp), 1);
      this.#after = await this.#rest(stage, this.#before.measure);
      if (this.#after.load.requests === this.#before.load.requests)
        this.findings.push('time was up, or too much failed, before there was anything to compare');
      await this.#end(stage);
    } finally {
      await stage.close();
    }
  }

  /**
   * Makes requests, and meanwhile new configurations and samples.
   * @param share of the time that there is by then
   */
  async #play(stage: Stage, requests: number, share: number): Promise<void> {
    const { reloadEveryMs, sampleEveryMs, seconds, onSample } = this.#options;
    let isOver = false;
    const leftMs = Math.max(0, seconds * share * 1_000 - (performance.now() - this.#startMs));
    const timeUp = setTimeout(() => stage.load.ask('stop').catch(() => {}), leftMs);
    const played = stage.load.ask('play', requests).finally(() => {
      isOver = true;
    });
    const every = async (everyMs: number, run: () => Promise<unknown>): Promise<void> => {
      while (!isOver) {
        await Promise.race([played, new Promise((resolve) => setTimeout(resolve, everyMs))]);
        if (!isOver) await run();
      }
    };
    try {
      await Promise.all([
        played,
        every(reloadEveryMs, async () => this.#reloader?.reload()),
        every(sampleEveryMs, async () => onSample(await this.#look(stage, 'load'))),
      ]);
    } finally {
      clearTimeout(timeUp);
    }
    await this.#reloader?.reset();
  }

  /**
   * Waits until nothing is open that nobody uses, and looks for a while. Tokens go on being renewed meanwhile, which takes a timer more or less:
   * what counts is the least of each.
   * @param before what nothing may exceed
   */
  async #rest(stage: Stage, before?: Measure): Promise<Sample> {
    const startMs = performance.now();
    let rested: Sample | undefined;
    let restingMs = 0;
    const isOver = (): boolean => {
      const nowMs = performance.now();
      if (nowMs - startMs > SETTLING_MS) return true;
      if (rested === undefined || nowMs - restingMs < this.#options.restMs) return false;
      return before === undefined || countMore(before, rested.measure) === 0;
    };
    while (!isOver()) {
      const look = await this.#look(stage, 'at rest');
      if (isAtRest(look.state)) {
        if (rested === undefined) restingMs = performance.now();
        rested = { ...look, measure: toLeast(withoutGoogle(look), rested?.measure) };
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    if (rested === undefined) {
      rested = await this.#look(stage, 'at rest');
      this.findings.push(
        `${SETTLING_MS / 1_000} s after the last request it isn't at rest: ${JSON.stringify(rested.state)}`,
      );
    }
    this.#options.onSample(rested);
    return rested;
  }

  async #look(stage: Stage, phase: Sample['phase']): Promise<Sample> {
    const [load, farSide, measure, state] = await Promise.all([
      stage.load.ask('count'),
      stage.farSide.ask('count'),
      stage.proxy.ask('measure'),
      readProxyState(stage.adminUrl),
    ]);
    this.#mints = farSide.mints;
    const reloads = Object.values(this.#reloader?.counts ?? {}).reduce((sum, count) => sum + count, 0);
    const mints = Object.values(farSide.mints).reduce((sum, count) => sum + count, 0);
    const atMs = performance.now() - this.#startMs;
    return { atMs, phase, load, reloads, mints, measure, farConnections: farSide.connections, state };
  }

  /** Hangs up, stops the proxy, and judges. */
  async #end(stage: Stage): Promise<void> {
    const [before, after] = [this.#before, this.#after];
    await stage.load.ask('hangUp');
    const { faults } = await stage.farSide.ask('count');
    const { code, stderr } = await stage.cli.stop('SIGTERM');
    this.findings.push(
      ...(after?.load.faults ?? []),
      ...faults.map((fault) => `an upstream saw ${fault}`),
      ...(this.#reloader?.faults ?? []),
      ...(before && after ? judgeLevel(before.measure, after.measure) : []),
      ...(after ? judgeState(after, this.report()) : []),
      ...judgeLog(stderr).map((line) => `the proxy wrote: ${line}`),
      ...(code === 143 ? [] : [`the proxy ended with ${code}`]),
    );
  }
}

/** Google-auth-library keeps connections for the next mint, some time more of them and some time less: each is a file, and has a timer. */
function withoutGoogle({ measure, farConnections }: Sample): Measure {
  const toGoogle = farConnections - WEBSOCKETS;
  const { files, timers } = measure;
  return { ...measure, files: files && files - toGoogle, timers: timers - toGoogle };
}

function toLeast(now: Measure, least: Measure = now): Measure {
  const entries = Object.entries(now).map(([key, value]) => [
    key,
    Math.min(value, least[key as keyof Measure] ?? value),
  ]);
  return Object.fromEntries(entries) as unknown as Measure;
}

function isAtRest({ inFlight, clientConnections, upstreamConnections }: ProxyState): boolean {
  return inFlight === WEBSOCKETS && clientConnections === WEBSOCKETS && upstreamConnections === 0;
}
