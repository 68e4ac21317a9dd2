/** Before the `@` of an authority: in the absolute form, in the authority form, and in what looks like one. */
const USER_INFO = /^([a-z][a-z0-9+.-]*:\/\/|\/\/)?[^/?#]*@/i;

/**
 * A request target fit for a log: the path, and of the query the names only. Who a client says it is, and what is behind
 * a `#`, have no business in a target and none in a log.
 * `/orders?id=7&user=ann` becomes `/orders?id=…&user=…`.
 */
export function redactTarget(target: string): string {
  // The common case costs a look or two.
  const plain =
    target.startsWith('/') && !target.startsWith('//') ? target : target.replace(USER_INFO, '$1…@');
  const hash = plain.indexOf('#');
  if (hash !== -1) return `${redactQuery(plain.slice(0, hash))}#…`;
  return redactQuery(plain);
}

function redactQuery(target: string): string {
  const mark = target.indexOf('?');
  if (mark === -1) return target;
  const query = target.slice(mark + 1);
  if (query === '') return target;
  const names = query.split('&').map((pair) => {
    const equals = pair.indexOf('=');
    return equals === -1 ? '…' : `${pair.slice(0, equals)}=…`;
  });
  return `${target.slice(0, mark)}?${names.join('&')}`;
}

/**
 * Anything shaped like a JWT, a Google access token, a refresh token, a password in a URL, the value of a bearer credential, or a private key, whole
 * or cut off. Bounded where it could start at many places of one run, so that a long text takes no longer than in proportion.
 */
const SECRET =
  /\beyJ[\w-]{8,8192}\.[\w-]+(?:\.[\w-]*)?|\bya29\.[\w.-]{10,}|\b1\/\/0[\w-]{10,}|\bGOCSPX-[\w-]+|(?<user>:\/\/[^\s/?#@:]{0,256}:)[^\s/?#@]{1,1024}(?=@)|(?<bearer>\bbearer\s+)[\w.~+/=-]{8,}|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/gi;

/** The text with everything that looks like a credential replaced: the last net under messages made by others. */
export function redactSecrets(text: string): string {
  return text.replace(SECRET, '$<user>$<bearer>[redacted]');
}
