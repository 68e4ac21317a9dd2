import { ProxyError } from '../errors.ts';
import { toClientCookieName } from '../gate/client-cookie.ts';
import type { ClientSecret, Showing } from '../gate/client-secret.ts';
import type { Authority } from '../gate/host.ts';
import { defaultPort } from '../gate/origin.ts';
import { OWN_PATH, SIGN_IN_PATH } from '../own-path.ts';
import { isBelow } from '../routing/table.ts';
import type { Target } from '../routing/target.ts';
import type { RequestHead } from './decide.ts';
import type { FieldLines } from './field-lines.ts';
import type { RequestFacts } from './request-head.ts';

/** A page of the proxy's own, on a listener with a client secret. */
export type OwnPage =
  /** A code is to be used up; `cookie` is set if it was good. */
  | {
      readonly kind: 'sign-in';
      readonly secret: ClientSecret;
      readonly code: string;
      readonly cookie: string;
      readonly scheme: 'http' | 'https';
    }
  /** What there is to visit, for a client that is known, under the host name and port it came by. */
  | { readonly kind: 'routes'; readonly authority: Authority; readonly scheme: 'http' | 'https' }
  /** The same for one that isn't: how to become known. */
  | { readonly kind: 'stranger'; readonly error: ProxyError }
  | { readonly kind: 'wrong-method'; readonly error: ProxyError };

export type Meeting =
  | { readonly kind: 'own-page'; readonly page: OwnPage }
  /** Go on, with what is left of the request once the secret is taken out. */
  | { readonly kind: 'known'; readonly head: RequestHead; readonly facts: RequestFacts };

export interface Arriving {
  readonly head: RequestHead;
  readonly facts: RequestFacts;
  readonly target: Target;
  /** The host and port that the client came by. */
  readonly authority: Authority;
}

/**
 * Decides whether a client knows its listener's secret (R9). Pure.
 * @throws ProxyError `client_not_authenticated`; `bad_request` for a field that may be there only once
 */
export function meetClient(secret: ClientSecret, { head, facts, target, authority }: Arriving): Meeting {
  const { scheme, method } = head;
  const cookie = toClientCookieName(authority.port || defaultPort(scheme));
  const showing = secret.look(head.lines, cookie);
  if (showing.repeated !== undefined) {
    throw new ProxyError(
      'bad_request',
      `A request to this listener may have one ${showing.repeated} header.`,
    );
  }
  const page = findOwnPage(target.path, method);
  if (page === 'wrong-method') {
    const error = new ProxyError('method_not_allowed', `${method} is not taken here.`);
    return { kind: 'own-page', page: { kind: 'wrong-method', error } };
  }
  if (page === 'sign-in') {
    const code = new URLSearchParams(target.query).get('code') ?? '';
    return { kind: 'own-page', page: { kind: 'sign-in', secret, code, cookie, scheme } };
  }
  if (!showing.isKnown) {
    const error = toStrangerError();
    if (page === 'routes') return { kind: 'own-page', page: { kind: 'stranger', error } };
    throw error;
  }
  if (page === 'routes') return { kind: 'own-page', page: { kind: 'routes', authority, scheme } };
  if (page === 'nothing') throw new ProxyError('no_route', 'There is no such page of the proxy.');
  return { kind: 'known', ...withoutSecret(head, facts, showing) };
}

/** @returns undefined for a path that isn't the proxy's own */
function findOwnPage(path: string, method: string): OwnPage['kind'] | 'nothing' | undefined {
  if (!isBelow(OWN_PATH, path)) return undefined;
  // Whoever only looks whether there is something (a HEAD, a preview) uses no code up.
  if (path === SIGN_IN_PATH) return method === 'GET' ? 'sign-in' : 'wrong-method';
  if (path !== OWN_PATH && path !== `${OWN_PATH}/`) return 'nothing';
  return method === 'GET' || method === 'HEAD' ? 'routes' : 'wrong-method';
}

function toStrangerError(): ProxyError {
  return new ProxyError(
    'client_not_authenticated',
    'Clients of this proxy have to know its secret, and this one did not show it.',
    {
      hint: 'Send the client secret: `Proxy-Authorization: Bearer SECRET`, or Authorization. For a browser, `gcp-bearer-proxy link` makes a link that signs it in.',
    },
  );
}

/** `Proxy-Authorization` and the cookie go no further anyway. An `Authorization` that is the secret is not the client's own. */
function withoutSecret(
  head: RequestHead,
  facts: RequestFacts,
  { isInAuthorization }: Showing,
): { readonly head: RequestHead; readonly facts: RequestFacts } {
  if (!isInAuthorization) return { head, facts };
  return {
    head: { ...head, lines: without(head.lines, 'authorization') },
    facts: { ...facts, authorization: undefined, authorizationCount: 0 },
  };
}

function without(lines: FieldLines, lowerName: string): FieldLines {
  const kept: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] as string;
    if (name.toLowerCase() !== lowerName) kept.push(name, lines[i + 1] as string);
  }
  return kept;
}
