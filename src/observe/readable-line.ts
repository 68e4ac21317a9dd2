import { styleText } from 'node:util';

/** The message of the line that says a WebSocket is open; that of its end is a request's. */
export const OPENING = 'websocket open';

/**
 * A line of the log for people, from its JSON fields:
 * `12:01:02 GET /orders?id=… 200 38 ms (upstream 37 ms, token 12 min old) -> /orders`.
 */
export function toReadableLine(fields: Readonly<Record<string, unknown>>, colour: boolean): string {
  const line = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, toShown(value)]));
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const time = paint('dim', new Date(String(line.time)).toTimeString().slice(0, 8));
  if (typeof line.method === 'string') return `${time} ${renderRequest(line, paint)}`;
  const mark =
    line.level === 'info' ? '' : `${paint(line.level === 'warn' ? 'yellow' : 'red', String(line.level))} `;
  const hint = typeof line.hint === 'string' ? ` ${line.hint}` : '';
  return `${time} ${mark}${line.msg}${hint}`;
}

/** Control characters but for what lays out a text: a target has what its client wrote, and terminals take them for orders. */
const CONTROL = /[^\P{Cc}\n\t]/gu;

function toShown(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(CONTROL, '\ufffd') : value;
}

type Paint = (style: Parameters<typeof styleText>[0], text: string) => string;

function renderRequest(line: Readonly<Record<string, unknown>>, paint: Paint): string {
  const status = Number(line.status);
  const shown = paint(
    status >= 500 || status === 0 ? 'red' : status >= 400 ? 'yellow' : 'green',
    String(line.status),
  );
  const timings = [
    line.upstreamMs === undefined ? undefined : `upstream ${line.upstreamMs} ms`,
    line.tokenAgeS === undefined ? undefined : `token ${formatAge(Number(line.tokenAgeS))} old`,
  ].filter((part) => part !== undefined);
  const details = timings.length === 0 ? '' : paint('dim', ` (${timings.join(', ')})`);
  const route = line.route === undefined ? '' : ` -> ${line.route}`;
  const why = line.error === undefined ? '' : `  ${line.error}: ${line.msg} [${line.requestId}]`;
  const refusal = line.refusedBy === undefined ? '' : `  ${renderRefusal(line, paint)}`;
  const opening = line.msg === OPENING ? `  ${OPENING}` : '';
  return `${line.method} ${line.target} ${shown} ${line.totalMs} ms${details}${route}${opening}${why}${refusal}`;
}

/** Who refused, and what to do about it where that is said. */
function renderRefusal(line: Readonly<Record<string, unknown>>, paint: Paint): string {
  const who = `refused by ${line.refusedBy}: ${line.cause}`;
  if (line.level !== 'warn') return paint('dim', who);
  const fix = typeof line.hint === 'string' ? `\n         ${line.hint}` : '';
  return paint('yellow', `${who}\n         ${line.msg}${fix}`);
}

function formatAge(seconds: number): string {
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
