import { ContentCheck, FAULT_FIELD, NUMBER_FIELD } from './exchange-plan.ts';
import type { Task } from './tasks.ts';

/** How a request ended for its client: a fault is what is wrong with that. */
export interface Outcome {
  /** The client left, as it was meant to. */
  readonly hasLeft: boolean;
  readonly fault: string | undefined;
}

/** A client's end of connections, on which one request after the other is made. */
export interface Visitor {
  visit(task: Task): Promise<Outcome>;
  /** Resolves once nothing is open. */
  close(): Promise<void>;
}

/** A client that is still waiting then is told so. On a busy machine everything takes long. */
export const HANG_MS = 60_000;

/** Judges a response as it comes. */
export class Reception {
  readonly #task: Task;
  readonly #check: ContentCheck;
  #fault: string | undefined;

  constructor(task: Task) {
    const { method, plan } = task;
    this.#task = task;
    const hasContent = method !== 'HEAD' && plan.status !== 204;
    this.#check = new ContentCheck(plan.at, hasContent ? plan.bytes : 0);
  }

  /** @param find the value of a field, by its name in lower case */
  head(status: number, find: (name: string) => string | undefined): void {
    const { plan } = this.#task;
    const number = find(NUMBER_FIELD);
    if (status !== plan.status) {
      const why = find(FAULT_FIELD) ?? find('proxy-status') ?? 'without a reason';
      this.#fault = `status ${status} instead of ${plan.status} (${why})`;
    } else if (number !== String(plan.number)) this.#fault = `the response is that to request ${number}`;
  }

  data(chunk: Buffer): void {
    this.#check.add(chunk);
  }

  /** @returns what is wrong with the whole response */
  end(): string | undefined {
    return this.#fault ?? this.#check.end();
  }
}
