import { handshake } from '../support/handshakes.ts';
import { type ClientConduct, conduct, type Manner } from './client-conduct.ts';
import { type Circumstances, cut } from './exchange.ts';
import {
  DESTROY,
  END,
  PAUSE,
  RESET,
  RESUME,
  type Script,
  type Step,
  send,
  trickle,
  until,
} from './script.ts';

const ask = ({ id }: Circumstances, lines = ''): string => handshake(`/${id}`, lines);

/** Masked, as a client's are; one looks like a request, should anybody take it for one. */
const FRAMES = '\x81\x85\x01\x02\x03\x04ignmn\x89\x80\0\0\0\0GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n';
const GARBAGE = '\0\xff\r\n\r\n0\r\n\r\nHTTP/1.1 101 Hello\r\n\r\n';
const MANY_FRAMES = FRAMES.repeat(3_000);
/** As much as the proxy reads before the answer: who sends more is made to wait, and only missed when it is read on. */
const SOME_FRAMES = FRAMES.repeat(500);

const UNDER_WAY = until('upstream has the head', 'client has the head');
const AT_THE_101 = until('upstream switches', 'upstream rests', 'client has the head');
const ANSWERED = until('client has the head');
const PERHAPS_ANSWERED = until('client has the head', 'upstream rests');
/** Before which there is nothing to read. */
const ANSWERING = until('upstream switches', 'upstream rests');

const OPEN: Manner = { kind: 'whole', responses: 1, afterwards: [] };
const HALF_CLOSED: Manner = { kind: 'half-closed' };
const ENDING: Manner = { kind: 'half-closed', hasHead: true };
const GONE: Manner = { kind: 'gone' };

/** Those that stay, and see what the upstream does. */
const staying: readonly ClientConduct[] = [
  asking('and waits', (c) => [send(ask(c))]),
  asking('byte by byte', (c) => [trickle(ask(c))]),
  asking('reads late', (c) => [send(ask(c)), PAUSE, ANSWERING, RESUME]),
  asking('sends frames along', (c) => [send(ask(c) + FRAMES)]),
  asking('sends garbage along', (c) => [send(ask(c) + GARBAGE)]),
  asking('sends frames behind', (c) => [send(ask(c)), UNDER_WAY, send(FRAMES)]),
  asking('sends many frames along', (c) => [send(ask(c) + MANY_FRAMES)]),
  ...Object.entries<(c: Circumstances) => readonly Step[]>({
    'at once': () => [],
    'after frames': () => [send(FRAMES)],
    'after frames, byte by byte': () => [trickle(FRAMES)],
    'after garbage': () => [send(GARBAGE)],
    'after many frames': () => [send(MANY_FRAMES)],
  }).map(([name, steps]) =>
    asking(`ends the open socket ${name}`, (c) => [send(ask(c)), ANSWERED, ...steps(c), END], ENDING),
  ),
  asking(
    'ends the open socket, frames ahead',
    (c) => [send(ask(c) + FRAMES), ANSWERED, send(FRAMES), END],
    ENDING,
  ),
];

const MOMENTS: Readonly<Record<string, (c: Circumstances) => readonly Step[]>> = {
  'at once': (c) => [send(ask(c))],
  'having sent frames along': (c) => [send(ask(c) + FRAMES)],
  'before the answer': (c) => [send(ask(c)), UNDER_WAY],
  'before the answer, having sent frames along': (c) => [send(ask(c) + SOME_FRAMES), UNDER_WAY],
  'right at the 101': (c) => [send(ask(c)), AT_THE_101],
  'right at the 101, having sent frames along': (c) => [send(ask(c) + FRAMES), AT_THE_101],
  'having read nothing': (c) => [send(ask(c)), PAUSE, ANSWERING],
  'in the open socket': (c) => [send(ask(c)), PERHAPS_ANSWERED],
  'in the open socket, having sent frames': (c) => [send(ask(c)), PERHAPS_ANSWERED, send(FRAMES)],
  'in the open socket, sending many frames': (c) => [send(ask(c)), PERHAPS_ANSWERED, send(SOME_FRAMES)],
};

const leaving: readonly ClientConduct[] = Object.entries(MOMENTS).flatMap(([moment, steps]) => [
  asking(`resets ${moment}`, (c) => [...steps(c), RESET], GONE),
  asking(`closes ${moment}`, (c) => [...steps(c), DESTROY], GONE),
]);

/** Before there is an answer, the end of its direction means that nobody waits for one. */
const ending: readonly ClientConduct[] = Object.entries(MOMENTS)
  .filter(([moment]) => /^at once|along$|before|101/.test(moment))
  .map(([moment, steps]) => asking(`half-closes ${moment}`, (c) => [...steps(c), END], HALF_CLOSED));

const STOPS: Readonly<Record<string, readonly [Script, Manner]>> = {
  silent: [[], { kind: 'bad head', verdicts: ['408 request_timeout'] }],
  'ends (FIN)': [[END], { kind: 'bad head', verdicts: ['400 bad_request', 'closed'] }],
  'resets (RST)': [[RESET], GONE],
  closes: [[DESTROY], GONE],
};
const stopped: readonly ClientConduct[] = Object.entries(STOPS).map(([stop, [steps, manner]]) =>
  asking(`in its head: ${stop}`, (c) => [send(cut(c, ask(c).slice(0, -2))), ...steps], manner),
);

const REFUSED: Readonly<Record<string, readonly [(c: Circumstances) => string, string]>> = {
  'with content': [(c) => `${ask(c, 'Content-Length: 5\r\n')}hello`, '400 bad_request'],
  'with content in chunks': [
    (c) => `${ask(c, 'Transfer-Encoding: chunked\r\n')}0\r\n\r\n`,
    '400 bad_request',
  ],
  'for another host': [(c) => ask(c).replace('localhost', 'evil.example'), '403 host_not_allowed'],
  'from another origin': [
    (c) => ask(c, 'Origin: https://evil.example\r\n') + FRAMES,
    '403 origin_not_allowed',
  ],
};
const refused: readonly ClientConduct[] = Object.entries(REFUSED).map(([name, [text, verdict]]) =>
  asking(name, (c) => [send(text(c))], { kind: 'bad head', verdicts: [verdict] }),
);

/** Everything that a client does here which asks for WebSocket. */
export const WEBSOCKET_CLIENTS: readonly ClientConduct[] = [
  ...staying,
  ...leaving,
  ...ending,
  ...stopped,
  ...refused,
];

function asking(name: string, script: ClientConduct['script'], manner: Manner = OPEN): ClientConduct {
  return { ...conduct(`WebSocket: ${name}`, 'GET', script, manner), isHandshake: true };
}
