import { isIPv4, isIPv6 } from 'node:net';
import { quote, type Refuse } from './issues.ts';

const HOST_NAME = /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?$/i;

/** Whether a text can be a host name or an IPv4 address. */
export function isHostName(text: string): boolean {
  if (/^[\d.]+$/.test(text)) return isIPv4(text);
  return HOST_NAME.test(text) && !text.includes('..');
}

/** Reads a host name without port, as `Host` headers hold it; in lower case. */
export function parseHostName(text: string, refuse: Refuse): string | undefined {
  if (/[*]/.test(text) || text.startsWith('.')) {
    return refuse(
      `The host ${quote(text)} is a pattern; only whole names work.`,
      'List each name on its own.',
    );
  }
  if (text.includes('/'))
    return refuse(`The host ${quote(text)} has to be a name alone, without scheme or path.`);
  const [name = '', port] = text.split(':');
  if (port !== undefined && !isIPv6(text)) {
    const hint = isHostName(name) ? `Write \`${name}\`: it is matched on every port.` : undefined;
    return refuse(`The host ${quote(text)} has to be a name alone, without a port.`, hint);
  }
  if (!isIPv6(text) && !isHostName(text)) {
    return refuse(`${quote(text)} is not a host name.`, 'Names look like `shop.localhost`.');
  }
  return text.toLowerCase().replace(/\.$/, '');
}

/** Reads the origin of a web page, as `Origin` headers hold it (RFC 6454): `https://app.example.com`. */
export function parseOrigin(text: string, refuse: Refuse): string | undefined {
  const example = "Write the page's own address, such as `https://app.example.com`.";
  if (text === '*') {
    return refuse(
      'The origin `*` would let every web page you visit use your Google identity.',
      'List the origins of your own pages; those on localhost are allowed already.',
    );
  }
  if (text.includes('*'))
    return refuse(`The origin ${quote(text)} is a pattern; only whole origins work.`, example);
  if (text === 'null') {
    return refuse('The origin `null` is what any file or sandboxed frame has, so it says nothing.', example);
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !/^https?:\/\//i.test(text) ||
    !(isHostName(url.hostname) || url.hostname.startsWith('['))
  ) {
    return refuse(`${quote(text)} is not the origin of a web page.`, example);
  }
  if (url.href !== `${url.origin}/` || /[?#]$/.test(text)) {
    return refuse(`${quote(text)} has more than an origin in it.`, `Write \`${url.origin}\`.`);
  }
  return url.origin;
}
