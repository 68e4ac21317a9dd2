import { explainClock } from '../auth/token-refusal.ts';
import { type Examined, failed, ok, skipped, warning } from './result.ts';
import { formatSpan } from './span.ts';

/** Google lets clocks be off by some minutes, but what is near the edge will be over it soon. */
const NOTABLE_MS = 30_000;
const HARMFUL_MS = 300_000;

/**
 * Whether this machine's clock is right. Each offset is the local clock minus that of the other side, in ms; Google's
 * counts where it is known, as an upstream's own may be wrong.
 */
export function examineClock(google: number | undefined, upstream: number | undefined): Examined {
  const offsetMs = google ?? upstream;
  if (offsetMs === undefined) return skipped('Nobody said what time it is.');
  const size = Math.abs(offsetMs);
  const whose = google === undefined ? 'the upstream' : 'Google';
  if (size < NOTABLE_MS)
    return ok(
      `The clock of this machine is within ${formatSpan(Math.max(size, 1_000))} of that of ${whose}.`,
    );
  const { message, hint } = explainClock(offsetMs);
  return size < HARMFUL_MS ? warning(message, hint) : failed(message, hint);
}
