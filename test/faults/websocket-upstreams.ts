import { type Circumstances, cut } from './exchange.ts';
import {
  DESTROY,
  END,
  PAUSE,
  RESET,
  RESUME,
  type Script,
  SILENCE,
  type Step,
  send,
  trickle,
  until,
} from './script.ts';
import {
  answer,
  BAD_502,
  ENDINGS,
  HINTS,
  head,
  LENGTH_FIELD,
  PROCESSING,
  REST,
  type UpstreamConduct,
} from './upstream-conduct.ts';

const FIELDS = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
];
const toSwitch = (c: Circumstances, fields: readonly string[] = FIELDS): string =>
  head(c, fields, '101 Switching Protocols');

const FRAMES = '\x81\x05hello\x89\x00\x82\x7e\x01\x00'.padEnd(300, 'w');
const MANY_FRAMES = FRAMES.repeat(1_000);
const SWITCH: Step = { kind: 'mark', mark: 'upstream switches' };
const CLIENT_IS_OPEN = until('client has the head', 'client is done');
const OPEN = ['101 complete'];
/** A reset may overtake the 101 on either side of the proxy. */
const OVERTAKEN = ['101 broken', 'closed', '502 upstream_reset'];

/** What is sent up to an open socket's end. */
const OPENINGS: Readonly<Record<string, (c: Circumstances) => Script>> = {
  '101': (c) => [SWITCH, send(toSwitch(c))],
  '101, byte by byte': (c) => [SWITCH, trickle(toSwitch(c) + FRAMES)],
  'frames with its 101': (c) => [SWITCH, send(toSwitch(c) + FRAMES)],
  'many frames with its 101': (c) => [SWITCH, send(toSwitch(c) + MANY_FRAMES)],
  'frames behind its 101': (c) => [SWITCH, send(toSwitch(c)), CLIENT_IS_OPEN, send(FRAMES)],
  'many frames, reading late': (c) => [
    SWITCH,
    send(toSwitch(c)),
    PAUSE,
    CLIENT_IS_OPEN,
    send(MANY_FRAMES),
    RESUME,
  ],
  '101 behind interim responses': (c) => [SWITCH, send(HINTS + PROCESSING + toSwitch(c) + FRAMES)],
  '101 twice': (c) => [SWITCH, send(toSwitch(c).repeat(2))],
  '101, then a response': (c) => [
    SWITCH,
    send(`${toSwitch(c)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi`),
  ],
  '101 with a length': (c) => [SWITCH, send(toSwitch(c, [...FIELDS, LENGTH_FIELD]) + FRAMES)],
  '101 in chunks': (c) => [SWITCH, send(`${toSwitch(c, [...FIELDS, 'Transfer-Encoding: chunked'])}5\r\nhel`)],
};

const CLOSINGS: Readonly<
  Record<string, readonly [Script, late: readonly string[], early: readonly string[]]>
> = {
  silent: [[REST, SILENCE], OPEN, OPEN],
  'ends (FIN)': [[END], OPEN, OPEN],
  'resets (RST)': [[RESET], ['101 broken'], OVERTAKEN],
  // Nobody knows how much of what the client sends is read before.
  closes: [[DESTROY], [...OPEN, '101 broken'], [...OPEN, ...OVERTAKEN]],
};

/** Sockets that open. Who did not ask for one has to be told that this is no response. */
const switching: readonly UpstreamConduct[] = Object.entries(OPENINGS).flatMap(([opening, begin]) =>
  Object.entries(CLOSINGS).map(([closing, [end, late, early]]) => ({
    ...answer(`${opening}: ${closing}`, (c) => [...begin(c), ...end], BAD_502),
    handshakeVerdicts: /behind its|late$/.test(opening) ? late : early,
  })),
);

/** Those of them that nothing else befalls, for who did not ask. */
export const UNASKED_SWITCHES: readonly UpstreamConduct[] = switching.filter(({ name }) =>
  name.endsWith(': silent'),
);

const cutShort: readonly UpstreamConduct[] = Object.entries(ENDINGS).map(([ending, { steps, early }]) =>
  answer(`in its 101: ${ending}`, (c) => [send(cut(c, toSwitch(c).slice(0, -2))), ...steps], early),
);

/** Switches to what was not asked for. */
const OTHER: Readonly<Record<string, readonly string[]>> = {
  'to nothing': [],
  'to h2c': ['Upgrade: h2c', 'Connection: Upgrade'],
  'to two things': ['Upgrade: websocket, h2c', 'Connection: Upgrade'],
  'twice over': ['Upgrade: websocket', 'Upgrade: websocket', 'Connection: Upgrade'],
  'without Connection': ['Upgrade: websocket'],
  'without Upgrade': ['Connection: Upgrade'],
  'with an endless head': [...FIELDS, `X-A: ${'a'.repeat(80_000)}`],
  'with a NUL in a field': [...FIELDS, 'X-A: a\0b'],
};
const switchingElsewhere: readonly UpstreamConduct[] = Object.entries(OTHER).map(([name, fields]) =>
  answer(`101 ${name}`, (c) => [send(toSwitch(c, fields) + FRAMES), REST, SILENCE], BAD_502),
);

/** Upstreams that switch to WebSocket, or seem to. */
export const WEBSOCKET_UPSTREAMS: readonly UpstreamConduct[] = [
  ...switching,
  ...cutShort,
  ...switchingElsewhere,
];
