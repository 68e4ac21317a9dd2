import type { TokenEvent } from '../auth/token-events.ts';
import type { HeldToken, TokenSource } from '../auth/token-source.ts';
import type { Clock } from '../clock.ts';
import { ProxyError } from '../errors.ts';
import { toFault } from './fault.ts';
import type { SentToken, TokenSnapshot } from './protocol.ts';

/** Gives the primary's tokens to its workers, each by its source's number. */
export interface TokenDesk {
  /** The number of a source, the same for as long as it is known. */
  numberOf(source: TokenSource): number;
  /** Of all sources that are known. */
  numbers(): readonly number[];
  snapshot(number: number): TokenSnapshot;
  /** As `TokenSource.obtain`. */
  obtain(number: number): Promise<TokenSnapshot>;
  /** As `TokenSource.replace`; the snapshot has the refused token still where there is no other. */
  replace(number: number, serial: number): Promise<TokenSnapshot>;
  /** A token of it was sent: where a new one is due and no timer will see to it, its mint begins. */
  use(number: number): void;
  /** The numbers of the sources that something has happened to. */
  affected(event: TokenEvent): readonly number[];
  /** Forgets all others but those of the time before: what is in flight may still ask for them. */
  keepOnly(sources: ReadonlySet<TokenSource>): void;
}

interface Entry {
  readonly source: TokenSource;
  /** The last token that was given out. */
  last: { readonly value: string; readonly serial: number } | undefined;
  isOfBefore: boolean;
}

export function createTokenDesk(clock: Clock): TokenDesk {
  const entries = new Map<number, Entry>();
  const numbers = new Map<TokenSource, number>();
  let count = 0;
  const find = (number: number): Entry => {
    const entry = entries.get(number);
    if (entry !== undefined) return entry;
    throw new ProxyError('token_unavailable', 'The route has left the configuration since the request came.');
  };
  const send = (entry: Entry, held: HeldToken): SentToken => {
    const { value, identity, quotaProject, otherAudience } = held;
    const { last } = entry;
    const serial = last === undefined ? 1 : last.value === value ? last.serial : last.serial + 1;
    entry.last = { value, serial };
    const [ageMs, remainingMs] = [held.ageMs(), held.remainingMs()];
    return { serial, value, identity, quotaProject, otherAudience, ageMs, remainingMs };
  };
  const snapshotOf = (entry: Entry, held: HeldToken | undefined = entry.source.current()): TokenSnapshot => {
    const { state, forMs, error } = entry.source.status();
    return {
      sentMs: clock.now().wallMs,
      token: held && send(entry, held),
      status: { state, forMs, error: error && toFault(error) },
    };
  };
  return {
    numberOf(source) {
      const known = numbers.get(source);
      if (known !== undefined) return known;
      count += 1;
      numbers.set(source, count);
      entries.set(count, { source, last: undefined, isOfBefore: false });
      return count;
    },
    numbers: () => [...entries.keys()],
    snapshot: (number) => snapshotOf(find(number)),
    async obtain(number) {
      const entry = find(number);
      return snapshotOf(entry, await entry.source.obtain());
    },
    async replace(number, serial) {
      const entry = find(number);
      const held = entry.source.current();
      if (held !== undefined && send(entry, held).serial !== serial) return snapshotOf(entry, held);
      if (held === undefined) await entry.source.obtain().catch(() => {});
      else await entry.source.replace(held);
      return snapshotOf(entry);
    },
    use: (number) => void entries.get(number)?.source.current(),
    affected: ({ request }) =>
      [...entries].flatMap(([number, { source }]) => (source.request === request ? [number] : [])),
    keepOnly(sources) {
      for (const [number, entry] of entries) {
        const isUsed = sources.has(entry.source);
        if (!isUsed && entry.isOfBefore) {
          entries.delete(number);
          numbers.delete(entry.source);
        }
        entry.isOfBefore = !isUsed;
      }
    },
  };
}
