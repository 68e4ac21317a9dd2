import { type Attack, CHUNKED, get, post, request, SMUGGLED } from './attack.ts';

/** RFC 9112, section 6.3: which of the two counts is what readers differ in. */
const TWO_FRAMINGS: readonly Attack[] = [
  ['length and chunks', post(['Content-Length: 5', CHUNKED], `0\r\n\r\n${SMUGGLED}`), 'refused'],
  [
    'chunks and length',
    post([CHUNKED, `Content-Length: ${5 + SMUGGLED.length}`], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  ['chunks and a length of nothing', post([CHUNKED, 'Content-Length: 0'], `0\r\n\r\n${SMUGGLED}`), 'refused'],
  ['chunks and an empty length', post([CHUNKED, 'Content-Length:'], '0\r\n\r\n'), 'refused'],
  ['two lengths', post(['Content-Length: 0', `Content-Length: ${SMUGGLED.length}`], SMUGGLED), 'refused'],
  ['two equal lengths', post(['Content-Length: 5', 'Content-Length: 5'], 'hello'), 'refused'],
  ['a list of equal lengths', post(['Content-Length: 5, 5'], 'hello'), 'refused'],
  ['a list of lengths', post([`Content-Length: 0, ${SMUGGLED.length}`], SMUGGLED), 'refused'],
  [
    'a length and one with an underscore',
    post(['Content-Length: 5', 'Content_Length: 0'], 'hello'),
    'forwarded',
  ],
  [
    'chunks, and a coding with an underscore',
    post([CHUNKED, 'Transfer_Encoding: x'], '0\r\n\r\n'),
    'forwarded',
  ],
  ['only a length with an underscore', post(['Content_Length: 48'], SMUGGLED), 'forwarded'],
  ['only a coding with an underscore', post(['Transfer_Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`)],
];

const LENGTHS: readonly Attack[] = [
  '+5',
  '-0',
  '-1',
  '0x5',
  '5.0',
  '5 5',
  '5;5',
  '5_0',
  '1e1',
  '',
  '"5"',
  '٥',
  '5\u000b',
  '5\u000c',
  '\u00a05',
  '5\u0000',
  '5 ,',
  ',5',
  '18446744073709551616',
  '18446744073709551621',
  '4294967301000000000000000',
  '9007199254740993',
].map(
  (length): Attack => [
    `a length of ${JSON.stringify(length)}`,
    post([`Content-Length: ${Buffer.from(length).toString('latin1')}`], 'hello'),
    'refused',
  ],
);

const PLAIN_LENGTHS: readonly Attack[] = [
  ['a length with zeros in front', post(['Content-Length: 0005'], 'hello')],
  ['a length of zeros', post(['Content-Length: 000'], SMUGGLED)],
  ['a length with white space around', post(['Content-Length: \t 5 \t'], 'hello')],
  ['a length in capitals', post(['CONTENT-LENGTH: 5'], 'hello'), 'forwarded'],
  ['a length, and another request behind', post(['Content-Length: 5'], `hello${SMUGGLED}`), 'forwarded'],
  ['no length, and a body', post([], 'hello')],
  ['no length, and a request behind', post([], SMUGGLED), 'forwarded'],
  ['a body shorter than its length', post(['Content-Length: 50'], 'hello'), 'refused'],
];

const CODINGS: readonly Attack[] = [
  'identity',
  'xchunked',
  'chunkedx',
  'chunk',
  'chunked, identity',
  'identity, chunked',
  'gzip, chunked',
  'chunked, gzip',
  'chunked, chunked',
  'chunked,',
  ', chunked',
  'chunked;',
  'chunked;q=1',
  'chunked; x="\r\n y"',
  '"chunked"',
  "'chunked'",
  '\u000bchunked',
  'chunked\u000b',
  '\u0000chunked',
  'chunked\u0000',
  'chunked\u0001',
  '\u00a0chunked',
  'chunked\u00ff',
  'cow',
  'chunked cow',
  'chun\tked',
  '',
  'chu\r\n nked',
  '\r\n chunked',
  'x\nTransfer-Encoding: chunked',
  'x\rTransfer-Encoding: chunked',
].map(
  (coding): Attack => [
    `a coding of ${JSON.stringify(coding)}`,
    post([`Transfer-Encoding: ${coding}`], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
);

const SPELLED_CODINGS: readonly Attack[] = [
  [
    'a space before the colon of the coding',
    post(['Transfer-Encoding : chunked'], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  [
    'a tab before the colon of the coding',
    post(['Transfer-Encoding\t: chunked'], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  ['a space before the coding', post([' Transfer-Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`), 'refused'],
  [
    'a folded line with a coding',
    post(['X-A: b', ' Transfer-Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  [
    'a coding behind a bare CR',
    post(['X-A: b\rTransfer-Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  [
    'a coding behind a bare LF',
    post(['X-A: b\nTransfer-Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  [
    'a coding behind a NUL',
    post(['X-A: b\u0000Transfer-Encoding: chunked'], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  [
    'a coding with a control character before',
    post(['\u0001Transfer-Encoding: chunked'], '0\r\n\r\n'),
    'refused',
  ],
  [
    'a coding with a high byte in its name',
    post(['Transfer-Encodin\u00e7: chunked'], '0\r\n\r\n'),
    'refused',
  ],
  [
    'a coding of a call of gRPC, whose refusal is a 200',
    post(
      ['Content-Type: application/grpc-web', 'Transfer-Encoding: identity, chunked'],
      `0\r\n\r\n${SMUGGLED}`,
    ),
    'refused',
  ],
  ['two codings, both chunked', post([CHUNKED, CHUNKED], `0\r\n\r\n${SMUGGLED}`), 'refused'],
  [
    'two codings, the last one chunked',
    post(['Transfer-Encoding: identity', CHUNKED], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  [
    'two codings, the first one chunked',
    post([CHUNKED, 'Transfer-Encoding: identity'], `0\r\n\r\n${SMUGGLED}`),
    'refused',
  ],
  ['a coding in capitals', post(['TRANSFER-ENCODING: CHUNKED'], '5\r\nhello\r\n0\r\n\r\n'), 'forwarded'],
  ['a coding with white space around', post(['Transfer-Encoding:\t chunked \t'], '5\r\nhello\r\n0\r\n\r\n')],
  [
    'a coding without white space',
    post(['Transfer-Encoding:chunked'], '5\r\nhello\r\n0\r\n\r\n'),
    'forwarded',
  ],
  [
    'a coding that Connection names',
    post([CHUNKED, 'Connection: transfer-encoding'], '5\r\nhello\r\n0\r\n\r\n'),
    'forwarded',
  ],
  [
    'a length that Connection names',
    post(['Content-Length: 48', 'Connection: content-length'], SMUGGLED),
    'forwarded',
  ],
  [
    'a coding in HTTP/1.0',
    `POST /p HTTP/1.0\r\nHost: localhost\r\n${CHUNKED}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'refused',
  ],
  [
    'a coding and keep-alive in HTTP/1.0',
    `POST /p HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n${CHUNKED}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'refused',
  ],
  ['a coding for this hop in TE', post(['TE: chunked', 'Connection: TE', CHUNKED], '0\r\n\r\n'), 'forwarded'],
];

const chunked = (body: string): string => post([CHUNKED], body);

/** RFC 9112, section 7.1. */
const CHUNKS: readonly Attack[] = [
  ...[
    '0x5\r\nhello\r\n0\r\n\r\n',
    '+5\r\nhello\r\n0\r\n\r\n',
    '-5\r\nhello\r\n0\r\n\r\n',
    ' 5\r\nhello\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n',
    '5\t\r\nhello\r\n0\r\n\r\n',
    '\r\n5\r\nhello\r\n0\r\n\r\n',
    '5\nhello\r\n0\r\n\r\n',
    '5\rhello\r\n0\r\n\r\n',
    '5\r\nhello\n0\r\n\r\n',
    '5\r\nhello0\r\n\r\n',
    '5\r\nhelloX\r\n0\r\n\r\n',
    '6\r\nhello\r\n0\r\n\r\n',
    '4\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\n0\n\r\n',
    '5\r\nhello\r\n0\r\n\n',
    '5\r\nhello\r\n\r\n',
    '5\r\nhello\r\n0\r\n',
    '5,5\r\nhello\r\n0\r\n\r\n',
    'g\r\nhello\r\n0\r\n\r\n',
    '5_\r\nhello\r\n0\r\n\r\n',
    '100000000000000005\r\nhello\r\n0\r\n\r\n',
    'ffffffffffffffff\r\nhello\r\n0\r\n\r\n',
    '8000000000000005\r\nhello\r\n0\r\n\r\n',
    '5\u0000\r\nhello\r\n0\r\n\r\n',
    `5;\nxx\r\nhello\r\n0\r\n\r\n`,
    `5;a\n\r\nhello\r\n0\r\n\r\n`,
    '5;a\rb\r\nhello\r\n0\r\n\r\n',
    '5;a=\u0000\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\n0;a\n\r\n\r\n',
    `5\r\nhello\r\n0\r\n${'X: y\n'.repeat(2)}\r\n`,
    '5\r\nhello\r\n0\r\nX: y\r\n folded\r\n\r\n',
    '5\r\nhello\r\n0\r\nX : y\r\n\r\n',
    '5\r\nhello\r\n0\r\nno colon\r\n\r\n',
    '5\r\nhello\r\n0\r\n: no name\r\n\r\n',
    '5\r\nhello\r\n0\r\nX: a\u0000b\r\n\r\n',
  ].map((body): Attack => [`chunks of ${JSON.stringify(body)}`, chunked(body + SMUGGLED), 'refused']),
  ['an extension', chunked(`5;a=b\r\nhello\r\n0\r\n\r\n${SMUGGLED}`), 'forwarded'],
  ['an extension in quotes', chunked(`5;a="b;c"\r\nhello\r\n0;x\r\n\r\n${SMUGGLED}`), 'forwarded'],
  ['an extension as long as a body', chunked(`5;a=${'b'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n${SMUGGLED}`)],
  ['a size with zeros in front', chunked(`0000005\r\nhello\r\n000\r\n\r\n${SMUGGLED}`), 'forwarded'],
  [
    'a request in a chunk',
    chunked(`${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`),
    'forwarded',
  ],
  [
    'trailers with credentials',
    chunked(
      '5\r\nhello\r\n0\r\nAuthorization: Bearer evil\r\nX-Serverless-Authorization: Bearer evil\r\nX_Serverless_Authorization: Bearer evil\r\nX-Kept: 1\r\n\r\n',
    ),
    'forwarded',
  ],
  [
    'trailers with framing',
    chunked(
      `5\r\nhello\r\n0\r\nContent-Length: 48\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nConnection: close\r\n\r\n${SMUGGLED}`,
    ),
  ],
  [
    'trailers announced with credentials',
    post(
      [CHUNKED, 'Trailer: Authorization, X-Sum, Host'],
      '0\r\nX-Sum: 1\r\nAuthorization: Bearer evil\r\n\r\n',
    ),
    'forwarded',
  ],
  ['Trailer without chunks (R32)', post(['Content-Length: 5', 'Trailer: X-Sum'], 'hello'), 'forwarded'],
];

/** R29; CVE-2026-29057: a body where none is expected, left behind for the next reader. */
const FAT: readonly Attack[] = [
  'GET',
  'HEAD',
  'DELETE',
  'OPTIONS',
  'PUT',
  'PATCH',
  'PROPFIND',
  'REPORT',
  'SEARCH',
].flatMap((method): Attack[] => [
  [
    `${method} with chunks`,
    request(`${method} /p`, [CHUNKED], `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`),
    'forwarded',
  ],
  [
    `${method} with no chunks but the last`,
    request(`${method} /p`, [CHUNKED], `0\r\n\r\n${SMUGGLED}`),
    'forwarded',
  ],
  [
    `${method} with a length`,
    request(`${method} /p`, [`Content-Length: ${SMUGGLED.length}`], SMUGGLED),
    'forwarded',
  ],
  [
    `${method} with a length of nothing`,
    request(`${method} /p`, ['Content-Length: 0'], SMUGGLED),
    'forwarded',
  ],
]);

const EXPECTATIONS: readonly Attack[] = [
  [
    'a body that is sent before it is asked for',
    post(['Content-Length: 5', 'Expect: 100-continue'], 'hello'),
    'forwarded',
  ],
  ['an expectation without a body', get(['Expect: 100-continue']), 'forwarded'],
  ['an expectation in capitals', post([CHUNKED, 'Expect: 100-CONTINUE'], '0\r\n\r\n'), 'forwarded'],
  ['two expectations', post(['Content-Length: 5', 'Expect: 100-continue', 'Expect: 100-continue'], 'hello')],
  ['an expectation of something else', post(['Content-Length: 5', 'Expect: 200-ok'], 'hello'), 'refused'],
  [
    'an expectation in HTTP/1.0',
    'POST /p HTTP/1.0\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello',
  ],
  [
    'an expectation, and a request in place of the body',
    post([`Content-Length: ${SMUGGLED.length}`, 'Expect: 100-continue'], SMUGGLED),
    'forwarded',
  ],
  [
    'an expectation with a space in front',
    post(['Content-Length: 5', 'Expect : 100-continue'], 'hello'),
    'refused',
  ],
];

/** Where a request ends, and where the next one begins. */
export const FRAMING_ATTACKS = {
  'R28: two framings': [...TWO_FRAMINGS, ...LENGTHS, ...PLAIN_LENGTHS],
  'R28, R30: codings': [...CODINGS, ...SPELLED_CODINGS],
  'R28, R32: chunks and trailers': CHUNKS,
  'R29: content of any method': FAT,
  'R20: expectations': EXPECTATIONS,
} satisfies Readonly<Record<string, readonly Attack[]>>;
