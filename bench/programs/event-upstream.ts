/**
 * A service that sends events: `GET /?events=20` is answered with as many, the first at once and the others 50 to 150 ms apart, each
 * stamped with the moment it was sent.
 */
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { listen } from './task.ts';

/** What every event carries behind its number and its stamp. */
export const PAYLOAD = 'x'.repeat(100);

const LEAST_PAUSE_MS = 50;
const MOST_PAUSE_MS = 150;

async function sendEvents(response: ServerResponse, events: number): Promise<void> {
  // The last one is nginx's word for what everybody else does unasked.
  const headers = {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache',
    'X-Accel-Buffering': 'no',
  };
  response.writeHead(200, headers).flushHeaders();
  for (let number = 0; number < events && !response.destroyed; number += 1) {
    // Not in step, or the streams would queue behind one another wherever they meet.
    if (number > 0) await delay(LEAST_PAUSE_MS + Math.random() * (MOST_PAUSE_MS - LEAST_PAUSE_MS));
    response.write(`data: ${number} ${process.hrtime.bigint()} ${PAYLOAD}\n\n`);
  }
  response.end();
}

if (import.meta.main) {
  listen(
    createServer((request, response) => {
      const { searchParams } = new URL(request.url ?? '', 'http://upstream');
      void sendEvents(response, Number(searchParams.get('events')));
    }),
  );
}
