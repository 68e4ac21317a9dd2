import type { WireInput } from './stage.ts';

/** An attack, and what has to become of it. */
export type Attack = readonly [name: string, bytes: string, outcome?: 'refused' | 'forwarded'];

/** What attackers would have go upstream behind, or instead of, a request. */
export const SMUGGLED = 'GET /b/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** A request with these field lines behind `Host`, and what comes behind its head. */
export function request(
  line: string,
  lines: readonly string[] = [],
  body = '',
  host: string | null = 'localhost',
): string {
  const fields = host === null ? lines : [`Host: ${host}`, ...lines];
  return `${line} HTTP/1.1\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n${body}`;
}

export const post = (lines: readonly string[], body = ''): string => request('POST /p', lines, body);
export const get = (lines: readonly string[], body = ''): string => request('GET /g', lines, body);
export const CHUNKED = 'Transfer-Encoding: chunked';

export function toInputs(attacks: readonly Attack[]): WireInput[] {
  return attacks.map(([name, bytes, outcome]) => ({ name, segments: [bytes], outcome }));
}
