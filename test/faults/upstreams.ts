import type { Circumstances, ScriptOf } from './exchange.ts';
import {
  CONTENT,
  DESTROY,
  END,
  flood,
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

/** What an upstream does with a request, and what a client has to see that does nothing wrong. */
export interface UpstreamConduct {
  readonly name: string;
  readonly script: ScriptOf;
  /** Any of these, after RFC 9112 and the requirements; see `rules.ts`. */
  readonly verdicts: readonly string[];
  /** What a client sees that asked for the head only, where that is something else. */
  readonly headVerdicts?: readonly string[];
  /** Whether it waits for the request's content before it does anything. */
  readonly awaitsContent: boolean;
  /** Its connection must not be shared: what it does afterwards would befall another exchange. */
  readonly isSolo?: boolean;
  /** Moves too much to be played by the thousand. */
  readonly isHeavy?: boolean;
}

const COMPLETE = ['200 complete'];
/** A head that announces little is held back for its content: then nothing is sent at all before the break. */
const BROKEN = ['200 broken', 'closed'];
const RESET_502 = ['502 upstream_reset'];
const BAD_502 = ['502 bad_upstream_response'];
const SILENT_504 = ['504 upstream_timeout'];

const LENGTH = 1_000;
const BODY = 'b'.repeat(LENGTH);
const FLOOD_BYTES = 4_000_000;

const head = ({ id }: Circumstances, fields: readonly string[], status = '200 OK', version = '1.1'): string =>
  `HTTP/${version} ${status}\r\nX-Exchange: ${id}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
const LENGTH_FIELD = `Content-Length: ${LENGTH}`;
const CHUNKED = 'Transfer-Encoding: chunked';
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const chunks = (): string => chunk('c'.repeat(40)) + chunk('d'.repeat(300));
const PROCESSING = 'HTTP/1.1 102 Processing\r\n\r\n';
const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n';

/** Text that a client which asked for the head only may be sent. */
const forMethod = ({ isHead }: Circumstances, headText: string, content: string): string =>
  headText + (isHead ? '' : content);

type Whole = (circumstances: Circumstances) => string;

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
  heavy(
    answer(
      'a long one',
      (c) =>
        c.isHead
          ? [send(head(c, [`Content-Length: ${FLOOD_BYTES}`]))]
          : [send(head(c, [`Content-Length: ${FLOOD_BYTES}`])), REST, flood(FLOOD_BYTES)],
      COMPLETE,
    ),
  ),
];

/** Where a response is broken off: what was sent before, and what the client then sees. */
interface Stage {
  readonly name: string;
  readonly before: Whole;
  readonly hasHead: boolean;
  /** Whether garbage can be told from content here. */
  readonly isStructure: boolean;
  /** Whether the end of the connection is the end of the response. */
  readonly endsByClose?: boolean;
}

const cut = ({ random }: Circumstances, text: string): string =>
  text.slice(0, random.between(1, text.length - 1));
const early = (name: string, before: Whole): Stage => ({ name, before, hasHead: false, isStructure: true });
const late = (name: string, before: Whole, isStructure = false): Stage => ({
  name,
  before,
  hasHead: true,
  isStructure,
});

const STAGES: readonly Stage[] = [
  early('instead of a response', () => ''),
  early('in the status line', (c) => cut(c, 'HTTP/1.1 200 OK')),
  early('in the head', (c) => `HTTP/1.1 200 OK\r\nX-A: 1\r\n${cut(c, 'X-B: 2')}`),
  early('at the end of the head', (c) => head(c, [LENGTH_FIELD]).slice(0, -2)),
  early('in an interim response', (c) => cut(c, HINTS.slice(0, -2))),
  early('after an interim response', () => HINTS),
  late('after the head', (c) => head(c, [LENGTH_FIELD])),
  late('in content with a length', (c) => head(c, [LENGTH_FIELD]) + cut(c, BODY)),
  late('one byte before the end', (c) => head(c, [LENGTH_FIELD]) + BODY.slice(1)),
  late('before the first chunk', (c) => head(c, [CHUNKED]), true),
  late('in the size of a chunk', (c) => `${head(c, [CHUNKED])}${chunks()}1`, true),
  late('in a chunk', (c) => `${head(c, [CHUNKED])}80\r\n${cut(c, 'e'.repeat(128))}`),
  late('behind the content of a chunk', (c) => head(c, [CHUNKED]) + chunk('f').slice(0, -2), true),
  late('before the last chunk', (c) => head(c, [CHUNKED]) + chunks(), true),
  late('in the last chunk', (c) => `${head(c, [CHUNKED])}${chunks()}0\r\n`, true),
  late('in the trailers', (c) => `${head(c, [CHUNKED])}${chunks()}0\r\n${cut(c, 'X-Sum: 1')}`, true),
  { ...late('in content up to the close', (c) => head(c, []) + cut(c, BODY)), endsByClose: true },
];

/** Nothing that a client could wait for comes any more. */
const REST: Step = { kind: 'mark', mark: 'upstream rests' };

const GARBAGE = '\x00\xff\x01garbage\x7f\r\n\r\n';

const ENDINGS: Readonly<Record<string, { readonly steps: Script; readonly early: readonly string[] }>> = {
  silent: { steps: [REST, SILENCE], early: SILENT_504 },
  'ends (FIN)': { steps: [END], early: RESET_502 },
  'resets (RST)': { steps: [RESET], early: RESET_502 },
  'sends garbage': { steps: [send(GARBAGE), REST, SILENCE], early: BAD_502 },
};

/** Every way to break a response off, at every stage of it. */
const broken: readonly UpstreamConduct[] = STAGES.flatMap((stage) =>
  Object.entries(ENDINGS)
    .filter(([ending]) => ending !== 'sends garbage' || stage.isStructure)
    .map(([ending, { steps, early: verdicts }]) => {
      const isEnd = stage.endsByClose === true && ending === 'ends (FIN)';
      const late = isEnd ? COMPLETE : BROKEN;
      return {
        ...answer(
          `${stage.name}: ${ending}`,
          // A head is all there is to come for who asked for that, and then the connection is good for others.
          (c) => [
            send(stage.before(c)),
            ...(c.isHead && stage.hasHead && ending === 'silent' ? [REST] : steps),
          ],
          stage.hasHead ? late : verdicts,
        ),
        ...(stage.hasHead && { headVerdicts: COMPLETE }),
      };
    }),
);

/** Responses that can't be relayed. */
const INVALID: Readonly<Record<string, Whole>> = {
  'two lengths': (c) => head(c, [LENGTH_FIELD, 'Content-Length: 5']) + BODY,
  'two equal lengths': (c) => head(c, [LENGTH_FIELD, LENGTH_FIELD]) + BODY,
  'a length and chunks': (c) => head(c, [LENGTH_FIELD, CHUNKED]) + BODY,
  'a length that is no number': (c) => head(c, ['Content-Length: -1']),
  'an unknown coding': (c) => head(c, ['Transfer-Encoding: gzip, chunked']),
  'HTTP/2.0 as text': () => 'HTTP/2.0 200 OK\r\n\r\n',
  'HTTP/0.9': () => '<html>hello</html>\r\n\r\n',
  'an SSH greeting': () => 'SSH-2.0-OpenSSH_9.9\r\n',
  'frames of HTTP/2': () => '\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d',
  'a status of two digits': () => 'HTTP/1.1 20 OK\r\n\r\n',
  'a status of 099': () => 'HTTP/1.1 099 OK\r\n\r\n',
  'a NUL in a field': (c) => head(c, ['X-A: a\0b', LENGTH_FIELD]),
  'a bare line feed': (c) => head(c, [LENGTH_FIELD]).replace('OK\r\n', 'OK\n'),
  'a folded line': (c) => head(c, ['X-A: a\r\n b', LENGTH_FIELD]),
  'a space before the colon': (c) => head(c, ['Content-Length : 5']),
  'a line without a colon': (c) => head(c, ['nothing']),
  'a head without end': () => `HTTP/1.1 200 OK\r\n${'X-A: aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(3_000)}`,
  'interim responses without end': () => HINTS.repeat(2_000),
  '101 that nobody asked for': () =>
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
};

const invalid: readonly UpstreamConduct[] = Object.entries(INVALID).map(([name, text]) =>
  answer(name, (c) => [send(text(c)), ...(ENDINGS.silent?.steps ?? [])], BAD_502),
);

/** Chunks that lie. */
const lying: readonly UpstreamConduct[] = [
  ...Object.entries({
    'a chunk longer than it says': '2\r\nabc\r\n0\r\n\r\n',
    'a chunk with a negative size': '-1\r\nabc\r\n0\r\n\r\n',
    'a chunk of unbelievable size': 'ffffffffffffffff\r\nabc',
    'a size line without end': '1'.repeat(5_000),
    'trailers without end': `0\r\n${'X-A: aaaaaaaaaaaaaaaaaa\r\n'.repeat(2_000)}`,
    'a trailer with a NUL': '0\r\nX-A: a\0b\r\n\r\n',
  }).map(([name, text]) => ({
    ...answer(name, (c) => [send(head(c, [CHUNKED]) + text), ...(ENDINGS.silent?.steps ?? [])], BROKEN),
    headVerdicts: COMPLETE,
  })),
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
  ...broken,
  ...invalid,
  ...lying,
  ...impatient,
  overtaken,
  ...afterwards,
];

function answer(
  name: string,
  steps: (c: Circumstances) => readonly Step[],
  verdicts: readonly string[],
): UpstreamConduct {
  const script: ScriptOf = (c) => [CONTENT, ...steps(c)];
  return { name, script, verdicts, awaitsContent: true };
}

/** What is done as soon as a request's head is there. */
function atOnce(name: string, script: ScriptOf, verdicts: readonly string[]): UpstreamConduct {
  return { name, script, verdicts, awaitsContent: false };
}

function heavy(conduct: UpstreamConduct): UpstreamConduct {
  return { ...conduct, isHeavy: true };
}
