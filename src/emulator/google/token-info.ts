import { toEmailClaims } from '../issuer.ts';
import {
  type Google,
  type GoogleAnswer,
  type GoogleRequest,
  readBearerToken,
  toJsonAnswer,
  toOAuthError,
} from './http.ts';
import { revealsEmail } from './user-info.ts';

/** `/tokeninfo`: what a token stands for. All values are strings, as Google's are. */
export async function answerTokenInfo(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  const form = new URLSearchParams(request.body);
  const field = (name: string): string | undefined => request.query.get(name) ?? form.get(name) ?? undefined;
  const idToken = field('id_token');
  if (idToken !== undefined) return answerIdToken(idToken, google);
  return answerAccessToken(field('access_token') ?? readBearerToken(request.headers), google);
}

async function answerIdToken(value: string, { issuer, keys }: Google): Promise<GoogleAnswer> {
  const verified = await issuer.verifyIdToken(value);
  if (verified === undefined) return toOAuthError(400, 'invalid_token', 'Invalid Value');
  return toStringsAnswer({ ...verified.claims, alg: 'RS256', kid: keys.google.id, typ: 'JWT' });
}

function answerAccessToken(value: string, { clock, issuer }: Google): GoogleAnswer {
  const grant = issuer.findAccessToken(value);
  // Federated tokens are unknown here, at the real one too.
  if (grant === undefined || grant.holder.kind === 'principal') {
    return toOAuthError(400, 'invalid_token', 'Invalid Value');
  }
  const { clientId, holder, scopes, expiresAtMs } = grant;
  return toStringsAnswer({
    azp: clientId,
    aud: clientId,
    ...(scopes.includes('openid') || revealsEmail(scopes) ? { sub: holder.id } : {}),
    scope: scopes.join(' '),
    exp: expiresAtMs / 1000,
    expires_in: Math.floor((expiresAtMs - clock.now().wallMs) / 1000),
    ...(revealsEmail(scopes) && toEmailClaims(holder)),
    access_type: holder.kind === 'user' ? 'offline' : 'online',
  });
}

function toStringsAnswer(fields: Readonly<Record<string, unknown>>): GoogleAnswer {
  const texts = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === 'object' ? value : String(value),
  ]);
  return toJsonAnswer(200, Object.fromEntries(texts));
}
