import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { membersOf, readRequests, type WirePart, type WireRequest } from './strict-reader.ts';

/** A request that reached an upstream. */
export interface SeenRequest extends WireRequest {
  /** What its response bears. */
  readonly serial: string;
}

/** What reached an upstream since it was last asked. */
export interface Sighting {
  readonly requests: readonly SeenRequest[];
  /** Requests that broke off: their connections are closed. */
  readonly parts: readonly (WirePart | undefined)[];
  /** What RFC 9112 does not allow. */
  readonly violations: readonly string[];
}

/** Reads by the letter, answers simply, and keeps all it has seen. */
export interface RecordingUpstream {
  readonly origin: string;
  readonly host: string;
  /** Waits until no request is half there, and gives what was seen since the last time. */
  take(): Promise<Sighting>;
}

/** Field with the number of the request that a response belongs to. */
export const SERIAL_FIELD = 'X-Exchange';

interface Line {
  readonly socket: Socket;
  /** Bytes that are not a whole request yet. */
  rest: string;
  wasTold: boolean;
}

/** Starts one on a free port; closed after the test. Requests for `isPing` targets are answered, and not recorded. */
export async function startRecordingUpstream(
  t: Pick<TestContext, 'after'>,
  name: string,
  isPing: (target: string) => boolean,
): Promise<RecordingUpstream> {
  const open = new Set<Line>();
  let seen: SeenRequest[] = [];
  let parts: (WirePart | undefined)[] = [];
  let violations: string[] = [];
  let count = 0;
  const read = (line: Line, chunk: Buffer): void => {
    line.rest += chunk.toString('latin1');
    const { requests, end, violation, part } = readRequests(line.rest, { side: 'upstream' });
    if (violation !== undefined) violations.push(`${violation}: ${JSON.stringify(line.rest.slice(0, 400))}`);
    if (requests.length > 1) violations.push('a request before the response to the one before');
    for (const request of requests) {
      count += 1;
      const serial = `${name}${count}`;
      line.wasTold = false;
      if (!isPing(request.target)) seen.push({ ...request, serial });
      line.socket.write(toResponse(request, serial));
    }
    if (violation !== undefined) line.socket.destroy();
    else if (end === 'clean') line.rest = '';
    else if (requests.length > 0) violations.push('half a request behind a whole one');
    if (part !== undefined && !line.wasTold && membersOf(part.head.lines, 'expect').length > 0) {
      line.wasTold = true;
      line.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    }
  };
  const server = createServer((socket) => {
    const line: Line = { socket, rest: '', wasTold: false };
    open.add(line);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => read(line, chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      open.delete(line);
      if (line.rest === '') return;
      parts.push(readRequests(line.rest, { side: 'upstream' }).part);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const { socket } of open) socket.destroy();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin: `http://${host}`,
    host,
    async take() {
      for (const { rest, socket } of open)
        if (rest !== '' && !socket.destroyed)
          await once(socket, 'close', { signal: AbortSignal.timeout(60_000) });
      const sighting = { requests: seen, parts, violations };
      [seen, parts, violations] = [[], [], []];
      return sighting;
    },
  };
}

function toResponse({ method, target }: WireRequest, serial: string): string {
  const content = method === 'HEAD' ? '' : target;
  return `HTTP/1.1 200 OK\r\n${SERIAL_FIELD}: ${serial}\r\nContent-Length: ${target.length}\r\n\r\n${content}`;
}
