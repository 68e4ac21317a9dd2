/** Sends many requests at once, each over a connection of its own, and prints how long until all of them were answered. */
import { request as send } from 'node:http';
import { request as sendOverTls } from 'node:https';
import { percentile } from '../figures.ts';
import { untilAccepting } from '../port.ts';
import { answerBody } from './small-answer.ts';
import { fail, readArgument, report } from './task.ts';

export interface BurstTask {
  readonly url: string;
  readonly requests: number;
  /** Trusted, besides the usual ones; for `https:` only. */
  readonly ca?: string | undefined;
  /** Sends as soon as somebody listens there, rather than at once. */
  readonly whenAccepting?: boolean;
}

export interface BurstResult {
  /** From before the first request to the end of the last answer. */
  readonly allMs: number;
  /** From before the first request to the end of the answer in the middle. */
  readonly p50Ms: number;
}

const GIVE_UP_MS = 20_000;

const { url, requests, ca, whenAccepting = false } = readArgument<BurstTask>();

/** When the answer had come, after `startMs`. */
function ask(startMs: number): Promise<number> {
  return new Promise((resolve) => {
    const respond = url.startsWith('https:')
      ? sendOverTls(url, { agent: false, ...(ca !== undefined && { ca }) })
      : send(url, { agent: false });
    respond.on('response', (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => {
        if (response.statusCode !== 200 || body !== answerBody)
          fail(`${url} answered ${response.statusCode}: ${body.slice(0, 500)}`);
        resolve(performance.now() - startMs);
      });
    });
    respond.on('error', (error) => fail(`${url}: ${error.message}`));
    respond.end();
  });
}

if (whenAccepting) await untilAccepting(Number(new URL(url).port), AbortSignal.timeout(GIVE_UP_MS));
const startMs = performance.now();
const answeredMs = await Promise.all(Array.from({ length: requests }, () => ask(startMs)));
const result: BurstResult = { allMs: Math.max(...answeredMs), p50Ms: percentile(answeredMs, 0.5) };
report(result);
