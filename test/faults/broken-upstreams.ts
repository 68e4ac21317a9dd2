import { cut } from './exchange.ts';
import { send } from './script.ts';
import {
  answer,
  BAD_502,
  BODY,
  BROKEN,
  CHUNKED,
  COMPLETE,
  chunk,
  chunks,
  ENDINGS,
  HINTS,
  head,
  LENGTH_FIELD,
  REST,
  SILENT_504,
  type UpstreamConduct,
  type Whole,
} from './upstream-conduct.ts';

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
        // For handshakes Node reads the responses, and lets pass what is in a reason.
        ...(stage.name === 'in an interim response' && { handshakeVerdicts: [...verdicts, ...SILENT_504] }),
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

/** Responses that break off, can't be relayed, or lie. */
export const BROKEN_UPSTREAMS: readonly UpstreamConduct[] = [...broken, ...invalid, ...lying];
