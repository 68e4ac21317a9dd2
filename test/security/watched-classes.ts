import type { TestContext } from 'node:test';
import { TokenInMemory } from '../../src/auth/held-token.ts';
import { RefreshingTokenSource } from '../../src/auth/refreshing-source.ts';
import { Http1Client } from '../../src/relay/client/http1-client.ts';
import { Http2Client } from '../../src/relay/client/http2-client.ts';
import { Exchange } from '../../src/relay/exchange.ts';
import { RefusalScreen } from '../../src/relay/refusal-screen.ts';
import { Breaker } from '../../src/relay/upstream/breaker.ts';
import { Carriage } from '../../src/relay/upstream/carriage.ts';
import { Http1Connection } from '../../src/relay/upstream/http1-connection.ts';
import { Http1Upload } from '../../src/relay/upstream/http1-upload.ts';
import { Http2Carrier } from '../../src/relay/upstream/http2-carrier.ts';
import { Http2Connection } from '../../src/relay/upstream/http2-connection.ts';

/** Everything with a life of its own that comes near a token. */
const CLASSES = [
  ...[TokenInMemory, RefreshingTokenSource, Exchange, Http1Client, Http2Client, RefusalScreen],
  ...[Breaker, Carriage, Http1Connection, Http1Upload, Http2Carrier, Http2Connection],
] as const;

export interface Watched {
  /** Every object of those classes that did anything. */
  readonly objects: Map<string, Set<object>>;
  /** Every error one was told. */
  readonly errors: Set<Error>;
}

/** Notes whose methods are called, and with which errors; until the end of the test. */
export function watchClasses(t: TestContext): Watched {
  const objects = new Map<string, Set<object>>();
  const errors = new Set<Error>();
  for (const { name, prototype } of CLASSES) {
    const found = new Set<object>();
    objects.set(name, found);
    for (const [method, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      const original: unknown = property.value;
      if (method === 'constructor' || typeof original !== 'function') continue;
      function watched(this: object, ...args: unknown[]): unknown {
        found.add(this);
        for (const arg of args) {
          if (arg instanceof Error) errors.add(arg);
          if (typeof arg === 'object' && arg !== null && 'cause' in arg && arg.cause instanceof Error)
            errors.add(arg.cause);
        }
        return Reflect.apply(original as () => unknown, this, args);
      }
      Object.defineProperty(prototype, method, { ...property, value: watched });
      t.after(() => Object.defineProperty(prototype, method, property));
    }
  }
  return { objects, errors };
}
