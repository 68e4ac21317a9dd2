import type { Random } from './random.ts';
import { Marks, type Script } from './script.ts';

/** One exchange: what both sides play, and what was seen of it. */
export class FaultExchange {
  readonly id: string;
  readonly random: Random;
  readonly marks = new Marks();
  /** Whether the client asks for heads only: then an upstream has no content to send. */
  readonly isHead: boolean;
  /** What the upstream plays once it has a request's head; drawn once, the same for every attempt. */
  readonly upstreamScript: Script;
  /** What the client plays, unless it speaks HTTP/2 of its own. */
  readonly clientScript: Script;
  /** Requests whose head reached the upstream whole. */
  seen = 0;
  /** What was wrong with those, if anything. */
  readonly complaints: string[] = [];
  /** Connections of the upstream that carry it. */
  readonly #running = new Set<Promise<void>>();

  constructor(options: {
    id: string;
    random: Random;
    isHead: boolean;
    toUpstreamScript: ScriptOf;
    toClientScript: ScriptOf;
  }) {
    this.id = options.id;
    this.random = options.random;
    this.isHead = options.isHead;
    this.upstreamScript = options.toUpstreamScript(this);
    this.clientScript = options.toClientScript(this);
  }

  /** Notes a part of the upstream's doing. */
  run(part: Promise<void>): void {
    this.#running.add(part);
    void part.finally(() => this.#running.delete(part));
  }

  /** Resolves once the upstream does nothing more for this exchange. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

/** What a script may depend on. */
export interface Circumstances {
  readonly id: string;
  readonly random: Random;
  readonly isHead: boolean;
}

export type ScriptOf = (circumstances: Circumstances) => Script;

/** A part of a text, neither nothing nor all of it. */
export const cut = ({ random }: Circumstances, text: string): string =>
  text.slice(0, random.between(1, text.length - 1));
