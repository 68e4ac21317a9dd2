import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, request as requestHttp1 } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as requestHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { RelayPlan } from '../faults/relay-process.ts';
import { type RelayUnderTest, startRelayProcess } from '../faults/relay-under-test.ts';
import { createTestAuthority } from '../support/certificates.ts';
import { readBody } from '../support/sockets.ts';
import { TOKEN } from './dictionary.ts';
import type { Target } from './inputs.ts';
import { type Lane, openLane } from './lane.ts';

/** A lane, where it is asked, and what kind of inputs it gets. */
export interface Place extends Target {
  /** For `--only`: lanes of one kind are alike. */
  readonly kind: string;
  readonly lane: Lane;
  readonly url: string;
}

/** The relays under test between hostile clients and hostile upstreams. */
export interface Arena {
  readonly relays: RelayUnderTest;
  readonly places: readonly Place[];
  /** Asks through a relay of its own, over HTTP/1.1, TLS and HTTP/2. @returns what was wrong with the answers */
  control(): Promise<string | undefined>;
  /** Whether a lane still serves a client that behaves, once its upstream does. @returns what was wrong */
  revisit(place: Place): Promise<string | undefined>;
  /** Closes what all upstreams still have open. */
  hangUp(): void;
  close(): Promise<void>;
}

/** Silence that the relays bear. */
const LIMIT_MS = 400;
/** TLS on neither side, on the client's, on the upstream's; and what the upstream is spoken to in. */
const KINDS = (['clear', 'tls', 'secure'] as const).flatMap((where) =>
  (['auto', 'http2'] as const).map((protocol) => ({
    kind: `${where}-${protocol}`,
    isTls: where === 'tls',
    isSecure: where === 'secure',
    protocol,
  })),
);
const LANES_OF_A_KIND = 5;
/** How long a proper request may take on a machine that is busy with a hundred others. */
const ANSWER_MS = 10_000;
/** On a machine that is busy the relays' own short limits may end one. */
const CONTROL_TRIES = 3;
/** How long an upstream may be left alone that could not be connected to (R58). */
const RECOVERY_MS = 20_000;
const RECOVERY_LOOK_MS = 200;
const CONTENT = 'control '.repeat(2_000);

/** Starts everything. */
export async function openArena(): Promise<Arena> {
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'));
  const [certFile, keyFile, caFile] = ['cert.pem', 'key.pem', 'ca.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const tls = { certFile, keyFile };
  const authority = createTestAuthority();
  const certificate = authority.issue(['localhost']);
  await Promise.all([
    writeFile(certFile, certificate.cert),
    writeFile(keyFile, certificate.key),
    writeFile(caFile, authority.cert),
  ]);
  const clientHello = await makeClientHello();
  const lanes = await Promise.all(
    KINDS.flatMap((kind) =>
      Array.from({ length: LANES_OF_A_KIND }, async (_, at) => {
        const lane = await openLane(kind.isSecure ? certificate : undefined);
        return { ...kind, name: `${kind.kind} ${at}`, lane };
      }),
    ),
  );
  const proper = await startProperUpstream();
  const plans = lanes.map(
    ({ name, isTls, protocol, lane }): RelayPlan => ({
      name,
      upstreamOrigin: lane.origin,
      limitMs: LIMIT_MS,
      protocol,
      token: TOKEN,
      ...(isTls && { tls }),
    }),
  );
  const control = { upstreamOrigin: proper.origin, limitMs: ANSWER_MS, token: TOKEN };
  const relays = await startRelayProcess(
    [...plans, { ...control, name: 'control' }, { ...control, name: 'control tls', tls }],
    { environment: { NODE_EXTRA_CA_CERTS: caFile } },
  );
  const places = lanes.map(
    ({ kind, name, isTls, lane }): Place => ({
      kind,
      isTls,
      clientHello,
      lane,
      url: relays.urls[name] ?? '',
    }),
  );
  return {
    relays,
    places,
    async control() {
      const urls = [relays.urls.control ?? '', relays.urls['control tls'] ?? ''];
      const answers = await Promise.all(
        urls.map(async (url) => {
          let fault: string | undefined;
          for (let tries = 0; tries === 0 || (fault !== undefined && tries < CONTROL_TRIES); tries += 1)
            fault = await within(ANSWER_MS, askControl(url));
          return fault;
        }),
      );
      return answers.find((fault) => fault !== undefined);
    },
    revisit,
    hangUp() {
      proper.hangUp();
      for (const { lane } of lanes) lane.hangUp();
    },
    async close() {
      proper.close();
      await Promise.all([rm(folder, { recursive: true }), ...lanes.map(({ lane }) => lane.close())]);
    },
  };
}

/** The first bytes of a client of TLS. */
async function makeClientHello(): Promise<Buffer> {
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      wire.emit('hello', chunk);
      done();
    },
  });
  const said = once(wire, 'hello');
  const socket = connectTls({ socket: wire, servername: 'localhost', ALPNProtocols: ['h2', 'http/1.1'] });
  socket.on('error', () => {});
  const [hello] = (await said) as [Buffer];
  socket.destroy();
  return hello;
}

/** Gives content back, and refuses what has not just our credential. */
async function startProperUpstream(): Promise<{ origin: string; hangUp(): void; close(): void }> {
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const isOurs = request.headersDistinct.authorization?.join() === `Bearer ${TOKEN}`;
      response.writeHead(isOurs ? 200 : 403, { 'content-type': 'text/plain' }).end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hangUp: () => server.closeAllConnections(),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function askControl(url: string): Promise<string | undefined> {
  const answers = await Promise.all([post(url), postHttp2(url)]);
  const wrong = answers.find(({ status, content }) => status !== 200 || content !== CONTENT);
  return wrong === undefined
    ? undefined
    : `a proper request was answered ${wrong.status} (${wrong.content.length} bytes)`;
}

interface Answer {
  readonly status: number | undefined;
  readonly content: string;
}

function post(url: string): Promise<Answer> {
  const ask = url.startsWith('https:') ? requestHttps : requestHttp1;
  return new Promise((resolve) => {
    const asking = ask(url, { method: 'POST', agent: false, rejectUnauthorized: false }, (response) => {
      readBody(response).then(
        (body) => resolve({ status: response.statusCode, content: body.toString() }),
        (error: Error) => resolve({ status: response.statusCode, content: error.message }),
      );
    });
    asking.setTimeout(ANSWER_MS, () => asking.destroy(new Error(`silent for ${ANSWER_MS} ms`)));
    asking.on('error', (error) => resolve({ status: undefined, content: error.message }));
    asking.end(CONTENT);
  });
}

async function postHttp2(url: string): Promise<Answer> {
  const session = connectHttp2(url, { rejectUnauthorized: false });
  try {
    return await new Promise<Answer>((resolve) => {
      const fail = (error: Error): void => resolve({ status: undefined, content: error.message });
      session.on('error', fail);
      const stream = session.request({ ':method': 'POST', ':path': '/' });
      stream.on('error', fail);
      stream.on('response', (headers: IncomingHttpHeaders & { ':status'?: number }) => {
        readBody(stream).then(
          (body) => resolve({ status: headers[':status'], content: body.toString() }),
          fail,
        );
      });
      stream.end(CONTENT);
    });
  } finally {
    session.destroy();
  }
}

async function revisit({ lane, url, kind }: Place): Promise<string | undefined> {
  lane.behave();
  const startMs = performance.now();
  for (;;) {
    // Its upstream answers once on a connection.
    lane.hangUp();
    const { status, content } = await post(url);
    if (status === 200 && content === 'hi') return undefined;
    if (performance.now() - startMs > RECOVERY_MS)
      return `a lane of kind ${kind} answers ${status}: ${content}`;
    await new Promise((resolve) => setTimeout(resolve, RECOVERY_LOOK_MS));
  }
}

function within(limitMs: number, answer: Promise<string | undefined>): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`a proper request had no answer in ${limitMs} ms`), limitMs);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
