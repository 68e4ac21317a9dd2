import { BROKEN_UPSTREAMS } from './broken-upstreams.ts';
import type { Circumstances } from './exchange.ts';
import {
  DESTROY,
  END,
  flood,
  PAUSE,
  RESET,
  RESUME,
  type Script,
  SILENCE,
  send,
  trickle,
  until,
} from './script.ts';
import {
  answer,
  atOnce,
  BODY,
  CHUNKED,
  COMPLETE,
  chunks,
  ENDINGS,
  GARBAGE,
  HINTS,
  head,
  LENGTH_FIELD,
  PROCESSING,
  RESET_502,
  REST,
  SILENT_504,
  type UpstreamConduct,
  type Whole,
} from './upstream-conduct.ts';

const FLOOD_BYTES = 4_000_000;

/** Text that a client which asked for the head only may be sent. */
const forMethod = ({ isHead }: Circumstances, headText: string, content: string): string =>
  headText + (isHead ? '' : content);

/** Responses as they should be. */
const WHOLE: Readonly<Record<string, Whole>> = {
  'a length': (c) => forMethod(c, head(c, [LENGTH_FIELD]), BODY),
  chunks: (c) => forMethod(c, head(c, [CHUNKED]), `${chunks()}0\r\n\r\n`),
  trailers: (c) => forMethod(c, head(c, [CHUNKED, 'Trailer: X-Sum']), `${chunks()}0\r\nX-Sum: 1\r\n\r\n`),
  'two interim responses': (c) => PROCESSING + HINTS + forMethod(c, head(c, [LENGTH_FIELD]), BODY),
};

const whole: readonly UpstreamConduct[] = Object.entries(WHOLE).flatMap(([name, text]) => [
  answer(name, (c) => [send(text(c))], COMPLETE),
  answer(`${name}, byte by byte`, (c) => [trickle(text(c))], COMPLETE),
]);

/** Other responses with nothing wrong. */
const proper: readonly UpstreamConduct[] = [
  answer('204', (c) => [send(head(c, [], '204 No Content'))], ['204 complete']),
  answer('304 with a length', (c) => [send(head(c, [LENGTH_FIELD], '304 Not Modified'))], ['304 complete']),
  answer('500 of its own', (c) => [send(forMethod(c, head(c, [LENGTH_FIELD], '500 Oops'), BODY))], [
    '500 complete',
  ]),
  answer(
    '100 that nobody asked for',
    (c) => [send(`HTTP/1.1 100 Continue\r\n\r\n${WHOLE['a length']?.(c)}`)],
    COMPLETE,
  ),
  answer('up to the close', (c) => [send(forMethod(c, head(c, []), BODY)), END], COMPLETE),
  answer('HTTP/1.0', (c) => [send(forMethod(c, head(c, [], '200 OK', '1.0'), BODY)), END], COMPLETE),
  answer(
    'Connection: close, left open',
    (c) => [send(forMethod(c, head(c, [LENGTH_FIELD, 'Connection: close']), BODY))],
    COMPLETE,
  ),
  {
    ...answer(
      'a long one',
      (c) =>
        c.isHead
          ? [send(head(c, [`Content-Length: ${FLOOD_BYTES}`]))]
          : [send(head(c, [`Content-Length: ${FLOOD_BYTES}`])), REST, flood(FLOOD_BYTES)],
      COMPLETE,
    ),
    isHeavy: true,
  },
];

/** What an upstream does instead of reading a request to its end. */
const impatient: readonly UpstreamConduct[] = [
  ...Object.entries(ENDINGS).map(([ending, { steps, early: verdicts }]) =>
    atOnce(`with a request's head: ${ending}`, () => steps, verdicts),
  ),
  atOnce('closes with bytes unread', () => [PAUSE, DESTROY], RESET_502),
  atOnce('reads no more', () => [PAUSE, REST, until('client is done'), RESUME, SILENCE], SILENT_504),
  ...Object.entries<Script>({ 'stays open': [], 'ends (FIN)': [END] }).map(([ending, steps]) => ({
    ...atOnce(
      `413 early: ${ending}`,
      (c) => [
        send(forMethod(c, head(c, [LENGTH_FIELD, 'Connection: close'], '413 Too Large'), BODY)),
        ...steps,
      ],
      ['413 complete'],
    ),
    isSolo: true,
  })),
  {
    ...atOnce('200 early', (c) => [send(WHOLE['a length']?.(c) ?? '')], COMPLETE),
    isSolo: true,
  },
];

/** A reset overtakes what was sent before it. */
const overtaken: UpstreamConduct = {
  ...atOnce(
    '413 early: closes with bytes unread',
    (c) => [send(head(c, [LENGTH_FIELD, 'Connection: close'], '413 Too Large') + BODY), PAUSE, DESTROY],
    ['413 complete', '413 broken', 'closed', ...RESET_502],
  ),
  isSolo: true,
};

/** What an upstream does with a connection once its response is whole. */
const afterwards: readonly UpstreamConduct[] = Object.entries<(c: Circumstances) => Script>({
  'ends (FIN)': () => [END],
  'resets (RST)': () => [RESET],
  'sends garbage': () => [send(GARBAGE)],
  'sends a second response': (c) => [send(WHOLE['a length']?.(c) ?? '')],
  'says 408': () => [send('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n'), END],
}).flatMap(([name, steps]) =>
  [
    answer(
      `at once after its response: ${name}`,
      (c) => [send(WHOLE.chunks?.(c) ?? ''), ...steps(c)],
      COMPLETE,
    ),
    answer(
      `later after its response: ${name}`,
      (c) => [send(WHOLE['a length']?.(c) ?? ''), REST, until('client is done'), ...steps(c)],
      COMPLETE,
    ),
  ].map((conduct) => ({ ...conduct, isSolo: true })),
);

/** Everything that an upstream of HTTP/1.1 does here. */
export const UPSTREAM_CONDUCTS: readonly UpstreamConduct[] = [
  ...whole,
  ...proper,
  ...BROKEN_UPSTREAMS,
  ...impatient,
  overtaken,
  ...afterwards,
];
