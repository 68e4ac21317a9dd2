import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { after, type TestContext, test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { startProxy } from '../support/proxies.ts';
import { type App, type Pages, sendPage, startApp } from './app.ts';
import { launchChromium, openPage } from './chromium.ts';

// What browsers do with content beyond showing it - keep it, ask for parts, unpack it, save it - and HTTP/2:
// `npm run test:browser`.

const browser = await launchChromium();
after(() => browser.close());

/** An application, and a page on its home over TLS, where Chromium speaks HTTP/2, or in clear text. */
async function open(t: TestContext, scheme: 'http' | 'https', pages: Pages) {
  const app: App = await startApp(t, { '/': 'home', ...pages });
  const { port } = await startProxy(
    t,
    `routes: [{ host: shop.localhost, upstream: "${app.origin}" }]`,
    scheme === 'https' ? { tlsNames: ['shop.localhost'] } : {},
  );
  const page = await openPage(t, browser, { ignoreHTTPSErrors: true });
  const site = `${scheme}://shop.localhost:${port}`;
  await page.goto(`${site}/`);
  return { app, page, site };
}

test('over TLS pages come by HTTP/2, and far more requests are under way at once than connections are allowed', async (t) => {
  const waiting: (() => void)[] = [];
  const { app, page, site } = await open(t, 'https', {
    '/one-of-many': (_request, response) => {
      waiting.push(() => response.end('together'));
      if (waiting.length === 30) for (const answer of waiting) answer();
    },
  });
  const protocols = await page.evaluate<string[]>(
    'performance.getEntriesByType("navigation").map((entry) => entry.nextHopProtocol)',
  );
  assert.deepEqual(protocols, ['h2']);
  const texts = await page.evaluate(async (url) => {
    const requests = Array.from({ length: 30 }, (_, i) => fetch(`${url}?${i}`));
    return Promise.all(requests.map(async (request) => (await request).text()));
  }, `${site}/one-of-many`);
  assert.deepEqual([...new Set(texts)], ['together']);
  assert.equal(app.last('/').headers['x-forwarded-proto'], 'https');
});

test('R38: over TLS cookies keep Secure, SameSite=None and the promise of their names', async (t) => {
  const cookies = [
    '__Host-sid=1; Path=/; Secure; HttpOnly; SameSite=None',
    '__Secure-theme=dark; Domain=shop.example; Secure',
  ];
  const { app, page, site } = await open(t, 'https', {
    '/login': (_request, response) => {
      response.setHeader('Set-Cookie', cookies);
      response.end();
    },
  });
  await page.goto(`${site}/login`);
  await page.goto(`${site}/`);
  assert.equal(app.last('/').headers.cookie, '__Host-sid=1; __Secure-theme=dark');
  const kept = await page.context().cookies();
  assert.deepEqual(
    kept.map(({ name, secure, sameSite }) => [name, secure, sameSite]),
    [
      ['__Host-sid', true, 'None'],
      ['__Secure-theme', true, 'Lax'],
    ],
  );
});

test('what a browser has kept is asked for by its ETag, and not asked for while it is fresh', async (t) => {
  const { app, page } = await open(t, 'http', {
    '/tagged': ({ headers }, response) => {
      response.setHeader('ETag', '"v1"');
      if (headers['if-none-match'] === '"v1"') response.writeHead(304).end();
      else response.end('tagged');
    },
    '/fresh': (_request, response) => {
      response.setHeader('Cache-Control', 'max-age=3600');
      response.end('fresh');
    },
  });
  const read = (path: string) =>
    page.evaluate(async (url) => {
      const response = await fetch(url, { cache: url.includes('tagged') ? 'no-cache' : 'default' });
      return [response.status, await response.text()];
    }, path);
  for (const path of ['tagged', 'fresh']) {
    assert.deepEqual(await read(path), [200, path]);
    assert.deepEqual(await read(path), [200, path]);
  }
  assert.equal(app.count('/tagged'), 2);
  assert.equal(app.last('/tagged').headers['if-none-match'], '"v1"');
  assert.equal(app.count('/fresh'), 1);
});

/** A minute of silence as a WAV file: 8 bits, one channel, 8000 a second. */
const SILENCE = ((): Buffer => {
  const samples = 60 * 8_000;
  const head = Buffer.alloc(44);
  head.write('RIFF');
  head.writeUInt32LE(36 + samples, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8_000, 24);
  head.writeUInt32LE(8_000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples, 40);
  return Buffer.concat([head, Buffer.alloc(samples, 128)]);
})();

const ranged: RequestListener = ({ headers }, response) => {
  const [, start = '0', end = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  const last = end === '' ? SILENCE.length - 1 : Number(end);
  response.writeHead(headers.range === undefined ? 200 : 206, {
    'Content-Type': 'audio/wav',
    'Accept-Ranges': 'bytes',
    ETag: '"silence"',
    ...(headers.range !== undefined && { 'Content-Range': `bytes ${start}-${last}/${SILENCE.length}` }),
  });
  response.end(SILENCE.subarray(Number(start), last + 1));
};

for (const scheme of ['http', 'https'] as const) {
  test(`media are played from the ranges a player asks for (${scheme})`, async (t) => {
    const { app, page } = await open(t, scheme, { '/silence.wav': ranged });
    const seconds = await page.evaluate(`new Promise((resolve, reject) => {
      const audio = document.createElement('audio');
      audio.onloadedmetadata = () => { audio.currentTime = 50; };
      audio.onseeked = () => resolve([audio.duration, audio.currentTime]);
      audio.onerror = () => reject(new Error(audio.error.message));
      audio.src = 'silence.wav';
      audio.load();
    })`);
    assert.deepEqual(seconds, [60, 50]);
    assert.match(app.last('/silence.wav').headers.range ?? '', /^bytes=\d+-/);
    const part = await page.evaluate(async () => {
      const response = await fetch('silence.wav', { headers: { Range: 'bytes=8-15' } });
      return [response.status, response.headers.get('content-range'), await response.text()];
    });
    assert.deepEqual(part, [206, `bytes 8-15/${SILENCE.length}`, 'WAVEfmt ']);
  });
}

test('R37: packed content is unpacked by the browser, not on the way', async (t) => {
  const text = 'packed, ünd '.repeat(10_000);
  const packed: Readonly<Record<string, Buffer>> = { gzip: gzipSync(text), br: brotliCompressSync(text) };
  const { app, page } = await open(t, 'https', {
    '/packed': ({ url = '' }, response) => {
      const coding = url.split('?')[1] ?? '';
      response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Encoding': coding });
      response.end(packed[coding]);
    },
  });
  for (const [coding, bytes] of Object.entries(packed)) {
    // A resource's entry may come later than the end of its text.
    const seen = await page.evaluate(`(async () => {
      const entry = new Promise((resolve) => {
        new PerformanceObserver((list) => {
          for (const entry of list.getEntriesByName(new URL('packed?${coding}', location.href).href)) resolve(entry);
        }).observe({ type: 'resource', buffered: true });
      });
      const response = await fetch('packed?${coding}');
      return [await response.text(), (await entry).encodedBodySize];
    })()`);
    assert.deepEqual(seen, [text, bytes.length], coding);
    assert.match(
      app.last('/packed').headers['accept-encoding']?.toString() ?? '',
      new RegExp(`\\b${coding}\\b`),
    );
  }
});

test('a file is saved under its name, byte for byte', async (t) => {
  const file = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7) % 253));
  const { page } = await open(t, 'http', {
    '/list': '<a href="/report">report</a>',
    '/report': (_request, response) => {
      response.setHeader('Content-Type', 'application/octet-stream');
      response.setHeader(
        'Content-Disposition',
        `attachment; filename="r.bin"; filename*=UTF-8''%C3%BCbersicht.bin`,
      );
      response.end(file);
    },
  });
  await page.goto(new URL('/list', page.url()).href);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('a')]);
  assert.equal(download.suggestedFilename(), 'übersicht.bin');
  const saved = await readFile(await download.path());
  assert.equal(toDigest(saved), toDigest(file));
});

function toDigest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

for (const scheme of ['http', 'https'] as const) {
  test(`R34: a page that comes after early hints is whole (${scheme})`, async (t) => {
    const { page, site } = await open(t, scheme, {
      '/slow': (_request, response) => {
        response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }, () => {
          sendPage(response, '<link rel="stylesheet" href="/style.css">made');
        });
      },
      '/style.css': (_request, response) => {
        response.setHeader('Content-Type', 'text/css');
        response.end('body { color: rgb(1, 2, 3); }');
      },
    });
    const response = await page.goto(`${site}/slow`);
    assert.equal(response?.status(), 200);
    assert.equal(await page.innerText('body'), 'made');
    assert.equal(await page.evaluate('getComputedStyle(document.body).color'), 'rgb(1, 2, 3)');
  });
}
