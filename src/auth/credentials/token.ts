import type { CredentialConfig, SecretSource } from '../../config/config.ts';
import { isUsable } from '../expiry.ts';
import { scrub, toStandingError } from '../failure.ts';
import { decodeClaims, type JwtClaims } from '../jwt.ts';
import { isSendable, toMintedIdToken } from '../minted.ts';
import type { Credential, MintedToken, TokenRequest } from '../token-source.ts';
import type { ActorOrder } from './actor.ts';
import { type KindContext, readProjectFromEnv } from './kind.ts';
import { describeSecret, listSecretFiles, readSecret } from './secret.ts';

/** Cloud Run takes people's ID tokens for gcloud and for application default credentials in place of its own. */
const PEOPLES_AUDIENCES: readonly unknown[] = [
  '32555940559.apps.googleusercontent.com',
  '764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com',
];

/** A token that something else makes and renews. Read again for each mint, and sent only for what it is good for. */
export function createTokenCredential(
  { from }: CredentialConfig & { kind: 'token' },
  context: KindContext,
): Credential {
  const credential = describeSecret(from, 'token');
  return {
    kind: 'token',
    describe: () => credential,
    files: () => listSecretFiles(from),
    async mint(request) {
      const given: GivenToken = { from, request, credential, context };
      const value = (await readSecret(from, 'token', context.env)).replace(/^Bearer\s+/i, '');
      if (!isSendable(value)) {
        const hint = `Keep one token there and nothing else: ${suggestSource(request)} prints one.`;
        throw toStandingError(given, 'it holds something else than one token', hint);
      }
      return isJwt(value) ? checkJwt(value, given) : checkAccessToken(value, given);
    },
    projectId: async () => readProjectFromEnv(context.env),
  };
}

interface GivenToken extends ActorOrder {
  readonly from: SecretSource;
}

/** An ID token, or a JWT a service account signed itself: says by itself what it is good for. */
function checkJwt(value: string, given: GivenToken): MintedToken {
  const { request, credential, context } = given;
  if (request.kind === 'access') {
    const hint = `token: { kind: id } for the route, or an access token: ${suggestSource(request)}`;
    throw toStandingError(given, 'it holds an ID token', hint);
  }
  let claims: JwtClaims;
  try {
    claims = decodeClaims(value);
  } catch {
    throw toStandingError(given, 'the token there is damaged', toRenewal(given.from));
  }
  const { exp, aud } = claims;
  if (typeof exp !== 'number') throw toStandingError(given, 'the token there does not say when it ends');
  const leftMs = exp * 1000 - context.clock.now().wallMs;
  if (!isUsable(leftMs)) {
    const ends = `the token there ${leftMs > 0 ? 'ends' : 'ended'} at ${toTime(exp)}`;
    throw toStandingError(given, ends, toRenewal(given.from));
  }
  const isPersons = request.kind === 'id' && PEOPLES_AUDIENCES.includes(aud);
  if (aud !== request.audience && !isPersons) {
    const actual = typeof aud === 'string' ? scrub(aud) : 'something else';
    const hint = `token: { kind: ${request.kind}, audience: ${actual} } if the upstream takes that, else a token for ${request.audience}`;
    throw toStandingError(given, `the token there is for ${actual}`, hint);
  }
  return toMintedIdToken(value, request, credential, undefined);
}

/** What an access token is good for, nobody knows but Google. */
async function checkAccessToken(value: string, given: GivenToken): Promise<MintedToken> {
  const { request } = given;
  if (request.kind !== 'access') {
    const hint = `token: { kind: access } for the route, or another token: ${suggestSource(request)}`;
    throw toStandingError(given, 'it holds an access token', hint);
  }
  const { inspectAccessToken } = await import('./token-info.ts');
  return inspectAccessToken(value, {
    ...given,
    advise: ({ status }) =>
      status === 400 || status === 401
        ? {
            because: 'Google does not know the token there: it has ended or was revoked',
            hint: toRenewal(given.from),
          }
        : undefined,
  });
}

/** Access tokens have dots as well. */
function isJwt(value: string): boolean {
  return value.startsWith('eyJ');
}

function toTime(seconds: number): string {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? 'no known time' : time.toISOString();
}

function toRenewal(from: SecretSource): string {
  return from.kind === 'file'
    ? `Write a new token into ${from.path}; it is read again when it changes.`
    : `Start again with a new token in $${from.name}, or keep it in a file: from: file:/path is read again when it changes.`;
}

/** The command that prints a token as it is asked for. */
function suggestSource(request: TokenRequest): string {
  switch (request.kind) {
    case 'id':
      return `gcloud auth print-identity-token --audiences=${request.audience}`;
    case 'access':
      return 'gcloud auth print-access-token';
    case 'jwt':
      return 'gcloud iam service-accounts sign-jwt';
  }
}
