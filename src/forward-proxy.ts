import { BlockList, isIP } from 'node:net';
import { ProxyError } from './errors.ts';
import { isLoopbackHost } from './loopback.ts';

/** The variables that name forward proxies, among others: `process.env`, or what stands for it. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

/** A variable as it was found. */
interface Setting {
  readonly name: string;
  readonly value: string;
}

/** Beside this machine, not behind a proxy: the metadata servers of Google Cloud and AWS, and all that is link-local. */
const METADATA_HOST = 'metadata.google.internal';
const NEVER_PROXIED = new BlockList();
NEVER_PROXIED.addSubnet('169.254.0.0', 16, 'ipv4');
NEVER_PROXIED.addAddress('fd00:ec2::254', 'ipv6');
NEVER_PROXIED.addAddress('fd20:ce::254', 'ipv6');

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;
/** A host in `NO_PROXY`, with or without a port; IPv6 may go without brackets where there is none. */
const EXEMPTION = /^(\[[^[\]]*\]|[^:]*)(?::(\d{1,5}))?$/;
const SUBNET = /^\[?([^[\]]*)\]?\/(\d{1,3})$/;

/**
 * The forward proxy for a URL by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in either case, lower case first as curl
 * has it; a proxy named without a scheme is an `http:` one. Never one for this machine (loopback, `*.localhost`) and for
 * what is beside it (metadata servers, link-local IPv4). Never throws; a value that is no HTTP proxy's address, which
 * `checkForwardProxies` refuses, counts as none.
 *
 * `NO_PROXY` is a list by commas or spaces: `example.com` and `.example.com` (both with all names below), `*.example.com`
 * (the names below only), addresses, `10.0.0.0/8`, any of the former but subnets with `:port`, and `*` for everything.
 * @returns an `http:` or `https:` URL; its user name and password, where it has them, are for `Proxy-Authorization`
 */
export function findForwardProxy(target: URL, env: ProxyEnvironment): URL | undefined {
  const setting = findSetting(target, env);
  return setting && toProxyUrl(setting.value);
}

/**
 * Makes sure that every target which is behind a forward proxy can be reached through it, so that none is dialled directly
 * against the environment's wish. Targets that need no proxy don't care what the variables hold.
 * @throws ProxyError `config_invalid`; the message names the variable, never its value, which may hold a password
 */
export function checkForwardProxies(targets: readonly URL[], env: ProxyEnvironment): void {
  for (const target of targets) {
    const setting = findSetting(target, env);
    if (setting === undefined || toProxyUrl(setting.value) !== undefined) continue;
    const { name, value } = setting;
    if (/^\s*socks/i.test(value)) {
      throw new ProxyError(
        'config_invalid',
        `${name} names a SOCKS proxy for ${target.host}, and only HTTP proxies are supported.`,
        { hint: `Set HTTPS_PROXY=http://HOST:PORT, or NO_PROXY=${target.hostname} if it needs no proxy.` },
      );
    }
    throw new ProxyError(
      'config_invalid',
      `${name} is not the address of an HTTP proxy, and ${target.host} needs one by it.`,
      {
        hint: `Write ${name}=http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with @ : / ? # % in user name and password as %40 %3A %2F %3F %23 %25.`,
      },
    );
  }
}

/** The variable that holds for a target; undefined for one that is reached directly. */
function findSetting(target: URL, env: ProxyEnvironment): Setting | undefined {
  const names = toNames(target.protocol, env);
  if (names === undefined || isNeverProxied(toHost(target)) || isExempt(target, env)) return undefined;
  for (const name of names) {
    const value = env[name];
    if (value) return { name, value };
  }
  return undefined;
}

function toNames(protocol: string, env: ProxyEnvironment): readonly string[] | undefined {
  if (protocol === 'https:') return ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'];
  if (protocol !== 'http:') return undefined;
  // In a CGI program HTTP_PROXY is what the client sent as `Proxy` (CVE-2016-5385).
  const isCgi = env.REQUEST_METHOD !== undefined;
  return isCgi ? ['all_proxy', 'ALL_PROXY'] : ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'];
}

/** A URL's host without brackets and without the dot that may end a name. */
function toHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$|\.$/g, '');
}

function isNeverProxied(host: string): boolean {
  if (isLoopbackHost(host) || host.endsWith('.localhost') || host === METADATA_HOST) return true;
  return contains(NEVER_PROXIED, host);
}

function isExempt(target: URL, env: ProxyEnvironment): boolean {
  const list = env.no_proxy || env.NO_PROXY;
  if (!list) return false;
  const host = toHost(target);
  const port = target.port || (target.protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some((entry) => matches(entry.toLowerCase(), host, port));
}

/** Whether an entry of `NO_PROXY` covers a host. */
function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const [, address = '', bits] = SUBNET.exec(entry) ?? [];
  if (bits !== undefined) return contains(toSubnet(address, Number(bits)), host);
  const [, name = '', onlyPort] = isIP(entry) === 6 ? ['', entry] : (EXEMPTION.exec(entry) ?? []);
  if (onlyPort !== undefined && Number(onlyPort) !== Number(port)) return false;
  const bare = name.replace(/^\[|\]$|\.$/g, '');
  const version = isIP(bare);
  if (version !== 0) return contains(toSubnet(bare, version === 4 ? 32 : 128), host);
  if (isIP(host) !== 0) return false;
  const below = bare.replace(/^\*?\./, '');
  if (below === '') return false;
  return host.endsWith(`.${below}`) || (host === below && !bare.startsWith('*'));
}

/** Empty for what is no subnet. */
function toSubnet(address: string, bits: number): BlockList {
  const subnet = new BlockList();
  const version = isIP(address);
  if (version === 4 && bits <= 32) subnet.addSubnet(address, bits, 'ipv4');
  if (version === 6 && bits <= 128) subnet.addSubnet(address, bits, 'ipv6');
  return subnet;
}

/** Whether a host is an address in a list; also one that is IPv4 written as IPv6 (`::ffff:10.0.0.1`). */
function contains(list: BlockList, host: string): boolean {
  const version = isIP(host);
  return version !== 0 && list.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

function toProxyUrl(value: string): URL | undefined {
  const text = value.trim();
  const address = SCHEME.test(text) ? text : `http://${text}`;
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  // What follows the host is part of a password with `/`, `?` or `#` in it, or of something that is no proxy.
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return undefined;
  return canDecode(url.username) && canDecode(url.password) ? url : undefined;
}

function canDecode(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
