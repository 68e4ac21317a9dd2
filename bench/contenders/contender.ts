import type { PinnedProcess } from '../pinned-process.ts';
import type { Stage } from '../stage.ts';

/** Something that does the job we measure: carry requests to one upstream, with an `Authorization` put on. */
export interface Contender {
  /** What `--only` calls it. */
  readonly name: string;
  /** What the table calls it. */
  readonly label: string;
  /** The only `Authorization` that may reach the upstream. */
  readonly authorization: RegExp;
  start(upstreamUrl: string, stage: Stage): Promise<RunningContender>;
}

export interface RunningContender {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly process: PinnedProcess;
  /** Called after it has stopped: throws when it did less for these requests than its label says. */
  audit?(requests: number): Promise<void>;
}
