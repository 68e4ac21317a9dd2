/**
 * What cookies of our own are called. Browsers send the cookies of one port of a host to all its ports: to other programs, to other
 * proxies, and to us those of others. So the name has the port in it, and none of them ever goes upstream.
 */
const PREFIX = 'gbp-client-';

/** Own cookies in a `Cookie` value, with the semicolon before each. */
const OWN = new RegExp(`(?:^|;)[ \\t]*${PREFIX}[^;]*`, 'g');
/** The only white space around a name: whatever is found here has to be found by `OWN`, too. */
const SPACE_AROUND = /^[ \t]+|[ \t]+$/g;
const STARTS_OWN = new RegExp(`^[ \\t]*${PREFIX}`);
/** An own cookie at the start of a `Set-Cookie` value, or one without a name that reads like one once it is sent back (RFC 6265bis, 5.6). */
const SET_OWN = new RegExp(`^[\\s=]*${PREFIX}`, 'i');

/** Name of the cookie for the listener that a client knows by this port. */
export function toClientCookieName(port: string): string {
  return PREFIX + port;
}

/** The `Set-Cookie` value that signs a client in. Without an age: it ends with the browser, if the proxy doesn't end before. */
export function toClientCookie(name: string, value: string, scheme: 'http' | 'https'): string {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Strict${scheme === 'https' ? '; Secure' : ''}`;
}

/** The values of all cookies of a name in a `Cookie` value. */
export function findClientCookies(value: string, name: string): readonly string[] {
  if (!value.includes(PREFIX)) return [];
  return value.split(';').flatMap((crumb) => {
    const equals = crumb.indexOf('=');
    if (equals === -1 || crumb.slice(0, equals).replace(SPACE_AROUND, '') !== name) return [];
    return [crumb.slice(equals + 1).replace(SPACE_AROUND, '')];
  });
}

/** A `Cookie` value without cookies of our own, all else byte for byte; undefined when nothing is left. */
export function withoutClientCookies(value: string): string | undefined {
  if (!value.includes(PREFIX)) return value;
  const rest = value.replace(OWN, '');
  const kept = STARTS_OWN.test(value) ? rest.replace(/^[; \t]+/, '') : rest;
  return kept === '' ? undefined : kept;
}

/** Whether a `Set-Cookie` value of somebody else would set or delete a cookie of our own. */
export function setsClientCookie(value: string): boolean {
  return SET_OWN.test(value);
}
