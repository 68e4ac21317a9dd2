import { ProxyError } from '../errors.ts';
import { toClientCookie } from '../gate/client-cookie.ts';
import { formatAuthority } from '../gate/host.ts';
import type { SignIns } from '../gate/sign-ins.ts';
import { OWN_PATH } from '../own-path.ts';
import { type Answer, escapeHtml, toPage } from './answers.ts';
import type { OwnPage } from './known-client.ts';
import type { Site } from './site.ts';

/** What the proxy's own pages are made with. */
export interface PageContext {
  readonly site: Site;
  readonly signIns: SignIns;
  /** Epoch ms. */
  readonly nowMs: number;
}

/** A page, and what it says went wrong. */
export interface OwnAnswer {
  readonly answer: Answer;
  readonly error: ProxyError | undefined;
}

/** Makes a page of the proxy's own; one for signing in uses its code up. */
export function toOwnAnswer(page: OwnPage, context: PageContext): OwnAnswer | Promise<OwnAnswer> {
  switch (page.kind) {
    case 'sign-in':
      return signIn(page, context);
    case 'routes':
      return { answer: toRoutesPage(page, context.site), error: undefined };
    case 'stranger':
      return { answer: toStrangerPage(page.error), error: page.error };
    case 'wrong-method':
      return {
        answer: toPage(page.error, 'Not here', '<p>This page is only read.</p>', ['Allow', 'GET']),
        error: page.error,
      };
  }
}

function signIn(
  page: Extract<OwnPage, { kind: 'sign-in' }>,
  { signIns, nowMs }: PageContext,
): OwnAnswer | Promise<OwnAnswer> {
  const isGood = signIns.redeem(page.secret, page.code, nowMs);
  return typeof isGood === 'boolean'
    ? toSignInAnswer(page, isGood)
    : isGood.then((good) => toSignInAnswer(page, good));
}

function toSignInAnswer(
  { secret, cookie, scheme }: Extract<OwnPage, { kind: 'sign-in' }>,
  isGood: boolean,
): OwnAnswer {
  if (isGood) {
    const lines = [
      'Location',
      `${OWN_PATH}/`,
      'Set-Cookie',
      toClientCookie(cookie, secret.cookieValue(cookie), scheme),
    ];
    return { answer: { status: 303, lines: [...lines, ...BARE], body: '' }, error: undefined };
  }
  // Not which: whoever tries codes out learns nothing.
  const error = new ProxyError(
    'sign_in_refused',
    'This sign-in link was used before, is too old, or is none of this proxy.',
    {
      hint: 'gcp-bearer-proxy link  makes another one.',
    },
  );
  return {
    answer: toPage(
      error,
      'This link doesn’t sign you in',
      `<p>${escapeHtml(error.message)} Each works once, for ten minutes.</p>${HOW}`,
    ),
    error,
  };
}

const BARE = ['Content-Length', '0', 'Cache-Control', 'no-store', 'Referrer-Policy', 'no-referrer'];
const HOW = '<p>Where the proxy runs, <code>gcp-bearer-proxy link</code> makes a new one.</p>';

function toStrangerPage(error: ProxyError): Answer {
  const text = '<p>This proxy calls private Google Cloud services for those who know its client secret.</p>';
  const programs = '<p>Programs send it as <code>Proxy-Authorization: Bearer SECRET</code>.</p>';
  return toPage(error, 'You are not signed in', `${text}${HOW}${programs}`);
}

function toRoutesPage(
  { authority, scheme }: Extract<OwnPage, { kind: 'routes' }>,
  { routeList }: Site,
): Answer {
  const rows = routeList.map(({ name, host, path }) => {
    const isHere = host === undefined || host === authority.name;
    const url = isHere ? path : `${scheme}://${formatAuthority({ name: host, port: authority.port })}${path}`;
    const link = `<a href="${escapeHtml(url)}">${escapeHtml(name)}</a>`;
    const own = isHere
      ? ''
      : ` <small>another host: <code>gcp-bearer-proxy link ${escapeHtml(name)}</code> signs you in there</small>`;
    return `<li>${link}${own}</li>`;
  });
  return toPage(undefined, 'You are signed in', `<ul>${rows.join('')}</ul>`);
}
