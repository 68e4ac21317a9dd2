import { toEmailClaims } from '../issuer.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toJsonAnswer, toOAuthError } from './http.ts';

/** `/tokeninfo`: what a token stands for. All values are strings, as Google's are. */
export async function answerTokenInfo(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  const form = new URLSearchParams(request.body);
  const field = (name: string): string | undefined => request.query.get(name) ?? form.get(name) ?? undefined;
  const idToken = field('id_token');
  if (idToken !== undefined) return answerIdToken(idToken, google);
  const bearer = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return answerAccessToken(field('access_token') ?? bearer ?? '', google);
}

async function answerIdToken(value: string, { issuer, keys }: Google): Promise<GoogleAnswer> {
  const verified = await issuer.verifyIdToken(value);
  if (verified === undefined) return toOAuthError(400, 'invalid_token', 'Invalid Value');
  return toStringsAnswer({ ...verified.claims, alg: 'RS256', kid: keys.google.id, typ: 'JWT' });
}

function answerAccessToken(value: string, { clock, issuer }: Google): GoogleAnswer {
  const grant = issuer.findAccessToken(value);
  if (grant === undefined) return toOAuthError(400, 'invalid_token', 'Invalid Value');
  return toStringsAnswer({
    azp: grant.clientId,
    aud: grant.clientId,
    sub: grant.account.id,
    scope: grant.scopes.join(' '),
    exp: grant.expiresAtMs / 1000,
    expires_in: Math.floor((grant.expiresAtMs - clock.now().wallMs) / 1000),
    ...toEmailClaims(grant.account),
    access_type: grant.account.kind === 'user' ? 'offline' : 'online',
  });
}

function toStringsAnswer(fields: Readonly<Record<string, unknown>>): GoogleAnswer {
  const texts = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === 'object' ? value : String(value),
  ]);
  return toJsonAnswer(200, Object.fromEntries(texts));
}
