import type { ExchangeRecord } from './events.ts';
import type { LineFacts } from './request-fields.ts';

export interface SamplingOptions {
  /** Share of the requests that went well that have a line, from 0 to 1. */
  readonly sample: number;
  /** To the response's head; who takes longer has a line. 0: nobody is slow. */
  readonly slowMs: number;
  /** Whether requests that went well have lines at all. */
  readonly isOn: boolean;
}

/**
 * Decides which requests have a line: those that failed, were refused by Google or were slow always do; of the others a share,
 * every tenth, say. Gives undefined for one without.
 */
export function createSampling({
  sample,
  slowMs,
  isOn,
}: SamplingOptions): (record: ExchangeRecord) => LineFacts | undefined {
  let due = 0;
  return (record) => {
    const isSlow = slowMs > 0 && record.status !== 101 && (record.upstreamMs ?? record.totalMs) >= slowMs;
    if (isTrouble(record)) return { isSlow, sample: undefined };
    if (!isOn) return undefined;
    if (isSlow || sample === 1) return { isSlow, sample: undefined };
    due += sample;
    // Tenths don't add up to whole numbers.
    if (due < 1 - 1e-9) return undefined;
    due -= 1;
    return { isSlow, sample };
  };
}

function isTrouble({ error, status, refusal, leakedHeaders, cause }: ExchangeRecord): boolean {
  return (
    error !== undefined ||
    status >= 500 ||
    refusal !== undefined ||
    leakedHeaders !== undefined ||
    cause !== undefined
  );
}
