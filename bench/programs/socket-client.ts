/**
 * Opens WebSockets, measures what they cost the proxy in memory, has some of them talk, and prints both. Fails when an echo isn't what
 * was said.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { percentile } from '../figures.ts';
import { readUsage } from '../usage.ts';
import { fail, readArgument, report } from './task.ts';

export interface SocketTask {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Whose memory counts; null where there is no proxy on the way. */
  readonly pid: number | null;
  /** Open at once. */
  readonly sockets: number;
  /** So many of them talk, */
  readonly talkers: number;
  /** saying so many things each, one after the other. */
  readonly messages: number;
}

/** Null: not measured. */
export interface SocketResult {
  /** Resident memory with all of them open and silent, above that before, for each. */
  readonly rssPerSocketBytes: number | null;
  /** The same after they talked. */
  readonly rssAfterTalkPerSocketBytes: number | null;
  readonly openPerSecond: number;
  readonly echoP50Ms: number;
  readonly echoP99Ms: number;
  readonly echoes: number;
}

const { url, pid, sockets, talkers, messages } = readArgument<SocketTask>();

/** Handshakes under way at once, and sockets opened before memory is first looked at: whatever is loaded once is loaded then. */
const AT_ONCE = 50;
const LARGE_BYTES = 1_048_576;
const MESSAGE_BYTES = 64;
/** Between an echo and what is said next, on average. */
const PAUSE_MS = 50;
/** For buffers that were only needed while opening or talking to be given back. */
const SETTLE_MS = 500;

async function open(): Promise<WebSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'), { perMessageDeflate: false });
  socket.on('error', (error) => fail(`${url}: ${error.message}`));
  await once(socket, 'open');
  return socket;
}

async function openAll(count: number): Promise<WebSocket[]> {
  const opened: WebSocket[] = [];
  while (opened.length < count) {
    const batch = Math.min(AT_ONCE, count - opened.length);
    opened.push(...(await Promise.all(Array.from({ length: batch }, open))));
  }
  return opened;
}

async function closeAll(opened: readonly WebSocket[]): Promise<void> {
  await Promise.all(
    opened.map((socket) => {
      socket.close();
      return once(socket, 'close');
    }),
  );
}

/** Milliseconds from what is said to its echo. */
async function echo(socket: WebSocket, said: Buffer): Promise<number> {
  const startMs = performance.now();
  socket.send(said);
  const [heard] = await once(socket, 'message');
  const tookMs = performance.now() - startMs;
  if (!said.equals(heard)) fail(`${url}: an echo of ${said.length} bytes isn't what was said`);
  return tookMs;
}

async function talk(socket: WebSocket): Promise<number[]> {
  const tookMs: number[] = [];
  while (tookMs.length < messages) {
    await delay(Math.random() * PAUSE_MS * 2);
    tookMs.push(await echo(socket, randomBytes(MESSAGE_BYTES)));
  }
  return tookMs;
}

function readRssBytes(): number {
  return (pid === null ? undefined : readUsage(pid))?.rssBytes ?? Number.NaN;
}

const first = await openAll(AT_ONCE);
await Promise.all(first.map((socket) => echo(socket, randomBytes(MESSAGE_BYTES))));
for (const socket of first.slice(0, 1)) await echo(socket, randomBytes(LARGE_BYTES));
await closeAll(first);
await delay(SETTLE_MS);

const before = readRssBytes();
const startMs = performance.now();
const opened = await openAll(sockets);
const openSeconds = (performance.now() - startMs) / 1000;
await delay(SETTLE_MS);
const silent = readRssBytes();
const tookMs = (await Promise.all(opened.slice(0, talkers).map(talk))).flat();
await delay(SETTLE_MS);
const talked = readRssBytes();
const isAlive = opened.every(({ readyState }) => readyState === WebSocket.OPEN);
if (!isAlive) fail(`${url}: not all of ${sockets} sockets stayed open`);
await closeAll(opened);

// NaN is null in JSON.
report({
  rssPerSocketBytes: (silent - before) / sockets,
  rssAfterTalkPerSocketBytes: (talked - before) / sockets,
  openPerSecond: sockets / openSeconds,
  echoP50Ms: percentile(tookMs, 0.5),
  echoP99Ms: percentile(tookMs, 0.99),
  echoes: tookMs.length,
} satisfies SocketResult);
