import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isProxyError } from '../src/errors.ts';
import { checkForwardProxies, findForwardProxy, type ProxyEnvironment } from '../src/forward-proxy.ts';

const find = (target: string, env: ProxyEnvironment): string | undefined =>
  findForwardProxy(new URL(target), env)?.href;

const RUN = 'https://hello-abc-an.a.run.app/path';
const HTTP = 'http://sts.example.com/token';
const PROXY = { https_proxy: 'proxy:3128' };

test('the proxy comes from the variable for the scheme, lower case before upper, ALL_PROXY last', () => {
  const cases: readonly (readonly [string, ProxyEnvironment, string | undefined])[] = [
    [RUN, {}, undefined],
    [RUN, { HTTPS_PROXY: 'http://a:1' }, 'http://a:1/'],
    [RUN, { HTTPS_PROXY: 'http://a:1', https_proxy: 'http://b:2' }, 'http://b:2/'],
    [RUN, { HTTPS_PROXY: 'http://a:1', https_proxy: '' }, 'http://a:1/'],
    [RUN, { HTTP_PROXY: 'http://a:1', http_proxy: 'http://b:2' }, undefined],
    [RUN, { ALL_PROXY: 'http://a:1' }, 'http://a:1/'],
    [RUN, { ALL_PROXY: 'http://a:1', all_proxy: 'http://b:2' }, 'http://b:2/'],
    [RUN, { all_proxy: 'http://a:1', HTTPS_PROXY: 'http://b:2' }, 'http://b:2/'],
    [HTTP, { HTTP_PROXY: 'http://a:1' }, 'http://a:1/'],
    [HTTP, { HTTP_PROXY: 'http://a:1', http_proxy: 'http://b:2' }, 'http://b:2/'],
    [HTTP, { HTTPS_PROXY: 'http://a:1', https_proxy: 'http://b:2' }, undefined],
    [HTTP, { ALL_PROXY: 'http://a:1' }, 'http://a:1/'],
    ['ws://example.com', { ALL_PROXY: 'http://a:1' }, undefined],
  ];
  for (const [target, env, expected] of cases)
    assert.equal(find(target, env), expected, JSON.stringify({ target, env }));
});

test('HTTP_PROXY is not believed in a CGI program, where a client sets it', () => {
  assert.equal(find(HTTP, { HTTP_PROXY: 'http://evil:1', REQUEST_METHOD: 'GET' }), undefined);
  assert.equal(find(RUN, { HTTPS_PROXY: 'http://a:1', REQUEST_METHOD: 'GET' }), 'http://a:1/');
});

test('a proxy is an http: or https: URL, http: where there is no scheme, with or without credentials', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['proxy:3128', 'http://proxy:3128/'],
    ['proxy', 'http://proxy/'],
    [' http://proxy:3128/ ', 'http://proxy:3128/'],
    ['https://proxy', 'https://proxy/'],
    ['HTTP://proxy:1', 'http://proxy:1/'],
    ['[::1]:3128', 'http://[::1]:3128/'],
    ['user:secret@proxy:3128', 'http://user:secret@proxy:3128/'],
    ['http://us%40er:s%2Fe@proxy', 'http://us%40er:s%2Fe@proxy/'],
    ['socks5://proxy:1080', undefined],
    ['http://user:bad%zz@proxy', undefined],
    ['http://user:se/cret@proxy', undefined],
    ['http://user:1/cret@proxy', undefined],
    ['http://user:1#cret@proxy', undefined],
    ['http://proxy:99999', undefined],
    ['http://', undefined],
    ['ftp://proxy', undefined],
    [' ', undefined],
  ];
  for (const [value, expected] of cases) assert.equal(find(RUN, { https_proxy: value }), expected, value);
});

test('NO_PROXY exempts names with all below them, addresses, subnets, ports, or everything', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['*', 'https://example.com', true],
    ['', 'https://example.com', false],
    ['other.com,*', 'https://example.com', true],
    ['example.com', 'https://example.com', true],
    ['example.com', 'https://a.b.example.com', true],
    ['example.com', 'https://notexample.com', false],
    ['example.com', 'https://example.com.evil.net', false],
    ['.example.com', 'https://example.com', true],
    ['.example.com', 'https://a.example.com', true],
    ['.example.com', 'https://notexample.com', false],
    ['*.example.com', 'https://example.com', false],
    ['*.example.com', 'https://a.b.example.com', true],
    ['EXAMPLE.com', 'https://Example.COM', true],
    ['example.com.', 'https://example.com', true],
    ['example.com', 'https://example.com.', true],
    ['a.com, example.com', 'https://example.com', true],
    ['a.com example.com', 'https://example.com', true],
    [',,.,*.,', 'https://example.com', false],
    ['example.com:443', 'https://example.com', true],
    ['example.com:8443', 'https://example.com', false],
    ['example.com:8443', 'https://a.example.com:8443', true],
    ['example.com:80', 'http://example.com', true],
    [':443', 'https://example.com', false],
    ['https://example.com', 'https://example.com', false],
    ['10.1.2.3', 'https://10.1.2.3', true],
    ['10.1.2.3:443', 'https://10.1.2.3', true],
    ['10.1.2.3:8443', 'https://10.1.2.3', false],
    ['10.1.2.3', 'https://10.1.2.4', false],
    ['2.3', 'https://10.1.2.3', false],
    ['10.0.0.0/8', 'https://10.1.2.3', true],
    ['10.0.0.0/8', 'https://11.1.2.3', false],
    ['10.0.0.0/33', 'https://10.0.0.0', false],
    ['10.0.0.0/8', 'https://[::ffff:10.1.2.3]', true],
    ['0.0.0.0/0', 'https://example.com', false],
    ['2001:db8::1', 'https://[2001:db8::1]', true],
    ['2001:DB8:0::1', 'https://[2001:db8::1]', true],
    ['[2001:db8::1]', 'https://[2001:db8::1]', true],
    ['[2001:db8::1]:443', 'https://[2001:db8::1]', true],
    ['[2001:db8::1]:8443', 'https://[2001:db8::1]', false],
    ['2001:db8::/32', 'https://[2001:db8:5::1]', true],
    ['[2001:db8::]/32', 'https://[2001:db8:5::1]', true],
    ['2001:db8::/32', 'https://[2001:db9::1]', false],
    ['2001:db8::/129', 'https://[2001:db8::]', false],
  ];
  for (const [list, target, isExempt] of cases) {
    const env = { ...PROXY, http_proxy: 'proxy:3128' };
    assert.equal(find(target, { ...env, NO_PROXY: list }) === undefined, isExempt, `${list} ${target}`);
    assert.equal(find(target, { ...env, no_proxy: list }) === undefined, isExempt, `${list} ${target}`);
  }
  assert.equal(find(RUN, { ...PROXY, no_proxy: 'run.app', NO_PROXY: 'else' }), undefined);
});

test('this machine and the metadata servers beside it are never behind a proxy', () => {
  for (const host of [
    'localhost',
    'shop.localhost',
    'shop.localhost.',
    '127.0.0.1',
    '127.9.9.9',
    '[::1]',
    'metadata.google.internal',
    'metadata.google.internal.',
    '169.254.169.254',
    '169.254.170.2',
    '[::ffff:169.254.169.254]',
    '[fd00:ec2::254]',
    '[fd20:ce::254]',
  ]) {
    for (const scheme of ['http', 'https'])
      assert.equal(find(`${scheme}://${host}:8080/`, { ALL_PROXY: 'proxy:3128' }), undefined, host);
  }
  for (const host of ['localhost.example.com', '128.0.0.1', '[fd00:ec2::255]', 'x.metadata.google.internal'])
    assert.equal(find(`https://${host}`, PROXY), 'http://proxy:3128/', host);
});

test('a variable that is no HTTP proxy’s address is refused by name, and its value stays unsaid', () => {
  const refused: readonly (readonly [ProxyEnvironment, RegExp])[] = [
    [
      { ALL_PROXY: 'socks5h://me:hunter2@proxy:1080' },
      /^ALL_PROXY names a SOCKS proxy for .*\.run\.app, and/,
    ],
    [{ https_proxy: 'http://me:hunter2/x@proxy' }, /^https_proxy is not the address of an HTTP proxy/],
  ];
  for (const [env, message] of refused) {
    assert.throws(
      () => checkForwardProxies([new URL('http://127.0.0.1:1'), new URL(RUN)], env),
      (error) => {
        assert.ok(isProxyError(error));
        assert.equal(error.code, 'config_invalid');
        assert.match(error.message, message);
        assert.doesNotMatch(`${error.message} ${error.hint}`, /hunter2/);
        return true;
      },
    );
  }
});

test('a variable that nothing needs may hold anything', () => {
  const socks = { ALL_PROXY: 'socks5://proxy:1080' };
  checkForwardProxies([], socks);
  checkForwardProxies([new URL('http://127.0.0.1:1'), new URL('http://metadata.google.internal')], socks);
  checkForwardProxies([new URL(RUN)], { ...socks, ...PROXY });
  checkForwardProxies([new URL(RUN)], { ...socks, NO_PROXY: 'run.app' });
});

test('no environment makes the search throw, nor takes it to anything but an HTTP proxy', () => {
  const piece = fc.constantFrom(
    ...['*', '.', ':', '/', '[', ']', ',', ' ', '@', '%', '::', '10.0.0.1', '/8', 'a', '443', 'http://'],
  );
  const value = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((pieces) => pieces.join('')),
  );
  const env = fc.dictionary(
    fc.constantFrom('https_proxy', 'HTTPS_PROXY', 'http_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY'),
    value,
  );
  const target = fc.oneof(
    fc.webUrl(),
    fc.ipV4().map((ip) => `http://${ip}`),
    fc.ipV6().map((ip) => `https://[${ip}]`),
  );
  fc.assert(
    fc.property(target, env, (url, variables) => {
      if (!URL.canParse(url)) return;
      const proxy = findForwardProxy(new URL(url), variables);
      assert.ok(proxy === undefined || (/^https?:$/.test(proxy.protocol) && proxy.hostname !== ''));
      assert.equal(findForwardProxy(new URL(url), { ...variables, no_proxy: '*' }), undefined);
    }),
    { numRuns: 2_000 },
  );
});
