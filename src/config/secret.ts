import type { SecretSource } from './config.ts';
import { type FileNameContext, parseFileName } from './file-name.ts';
import type { Refuse } from './issues.ts';

/** What secrets start with: JSON, also in base64 (so JWTs, too), PEM; Google's access and refresh tokens, API keys, client secrets. */
const SECRET =
  /^\s*(?:[Bb]earer\s+)?["']?(?:\{\s*["']|-----BEGIN|eyJ[\w-]{8}|ewog|ya29\.|1\/\/0|AIza[\w-]{30}|GOCSPX-)/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const EXAMPLES = 'Write `env:NAME` for an environment variable, or `file:/path` for a file.';

/** Whether a text is itself what only its place should be named of, as far as can be seen. */
export function isSecret(text: string): boolean {
  return SECRET.test(text);
}

/**
 * Reads where a secret is kept: `env:NAME` or `file:/path`. Whether it is there is found out when it is needed. What
 * can't be read may be a secret, so it isn't quoted.
 */
export function parseSecretSource(
  text: string,
  context: FileNameContext,
  refuse: Refuse,
): SecretSource | undefined {
  const [, kind = '', rest = ''] = /^(env|file):(.*)$/is.exec(text) ?? [];
  if (isSecret(text) || isSecret(rest)) {
    return refuse(
      'This is a secret itself; a configuration only says where it is.',
      'Put it into an environment variable or a file, and write `env:NAME` or `file:/path` here.',
    );
  }
  if (kind === '') return refuse('This does not say where the secret is.', suggestSource(text));
  if (kind.toLowerCase() === 'env') {
    if (VARIABLE.test(rest)) return { kind: 'env', name: rest };
    return refuse('After `env:` stands the name of an environment variable.', suggestSource(rest));
  }
  if (rest.startsWith('//')) {
    return refuse('After `file:` stands a file name, not a URL.', 'One slash is enough: `file:/path`.');
  }
  const path = parseFileName(rest, context, refuse);
  return path === undefined ? undefined : { kind: 'file', path };
}

/** For what is a reference all but its beginning. */
function suggestSource(text: string): string {
  const name = /^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?$|^%(\w+)%$|^([A-Z]+(?:_[A-Z0-9]+)*)$/.exec(text);
  const variable = name?.[1] ?? name?.[2] ?? name?.[3];
  if (variable !== undefined) return `Write \`env:${variable}\`.`;
  const isFileName =
    /^(?:~|\.{0,2}[\\/]|[a-z]:[\\/])[\x21-\x7e]{1,100}$/i.test(text) || /^[\w-]{1,30}\.json$/.test(text);
  return isFileName ? `Write \`file:${text}\`.` : EXAMPLES;
}
