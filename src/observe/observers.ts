import type { Observer } from './events.ts';

/** Tells an observer something. Whoever looks on can't end what it looks at. */
export function tell(observer: Observer, what: (observer: Observer) => void): void {
  try {
    what(observer);
  } catch (error) {
    // Its message is left out, as nobody knows what it quotes.
    const kind = error instanceof Error ? error.name : typeof error;
    process.emitWarning(`What observes requests failed (${kind}).`, 'ObserverWarning');
  }
}

/** Several observers as one. What one of them throws doesn't reach the others, nor whoever tells. */
export function joinObservers(observers: readonly Observer[]): Required<Observer> {
  const tellAll = (what: (observer: Observer) => void): void => {
    for (const observer of observers) tell(observer, what);
  };
  return {
    onExchange: (record) => tellAll((observer) => observer.onExchange(record)),
    onWebSocket: (record) => tellAll((observer) => observer.onWebSocket?.(record)),
    onUpstream: (event) => tellAll((observer) => observer.onUpstream?.(event)),
    onReload: (event) => tellAll((observer) => observer.onReload?.(event)),
  };
}
