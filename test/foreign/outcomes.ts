import { exchangeBytes } from '../support/sockets.ts';

/** A request as an upstream saw it. */
export interface Seen {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What came of a request. */
export interface Outcome {
  readonly status: number;
  readonly seen: Seen | undefined;
  readonly head: string;
}

/** Sends a request as it is written; `host` in the lines replaces the address. */
export async function ask(origin: string, line: string, headers: readonly string[] = []): Promise<Outcome> {
  const { host } = new URL(origin);
  const hasHost = headers.some((header) => /^host:/i.test(header));
  const lines = [`${line} HTTP/1.1`, ...(hasHost ? [] : [`Host: ${host}`]), ...headers, 'Connection: close'];
  const text = await exchangeBytes(origin, `${lines.join('\r\n')}\r\n\r\n`);
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
  const json = /\{"method".*\}/.exec(text)?.[0];
  const head = text.split('\r\n\r\n')[0] ?? '';
  return {
    status,
    seen: status === 200 && json !== undefined ? (JSON.parse(json) as Seen) : undefined,
    head,
  };
}

/** What is compared: whether it was let through, and then what the upstream saw. Refusals are each one's own. */
export function describeOutcome({ status, seen, head }: Outcome): string {
  if (seen === undefined) return status === 200 || status === 204 ? `answered, ${allowed(head)}` : 'refused';
  const { method, target, headers } = seen;
  const kept = Object.entries(headers).filter(([name]) => !PASSING.has(name));
  return JSON.stringify([method, target, Object.fromEntries(kept.sort())]);
}

/** Of the connection alone. */
const PASSING = new Set(['connection', 'transfer-encoding', 'content-length']);

function allowed(head: string): string {
  return /access-control-allow-origin: .*/i.exec(head)?.[0].toLowerCase() ?? 'without leave';
}
