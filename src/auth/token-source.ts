/**
 * What a token is asked for: an ID token for one audience, an access token for a set of scopes, or a JWT for one audience
 * that the service account signs itself.
 */
export type TokenRequest =
  | { readonly kind: 'id'; readonly audience: string }
  | { readonly kind: 'access'; readonly scopes: readonly string[] }
  | { readonly kind: 'jwt'; readonly audience: string };

/** A token as Google gave it, before anything is known about how fresh it is here. */
export interface MintedToken {
  /** The token itself, without `Bearer `. */
  readonly value: string;
  /** When it ends on the issuer's clock, in epoch ms: the `exp` claim, or receipt plus `expires_in`. */
  readonly expiresAtMs: number;
  /** When it was issued on the issuer's clock, where known (`iat`). */
  readonly issuedAtMs: number | undefined;
  /** The issuer's clock when it answered (the `Date` of the answer), where known. */
  readonly issuerNowMs: number | undefined;
  /** Who the token speaks for (an e-mail address), where known. */
  readonly identity: string | undefined;
  /** Project to bill, for `x-goog-user-project`; access tokens only. */
  readonly quotaProject: string | undefined;
  /** The `aud` claim. Not always the audience asked for: people get ID tokens for the OAuth client they signed in with. */
  readonly audience?: string | undefined;
}

/** One identity that can be asked for tokens. Each call to `mint` is one mint: nothing is cached here. */
export interface Credential {
  /** The credential's kind, as in the configuration. */
  readonly kind: string;
  /** What it is and where it came from, for people: `key file ~/.var/key.json (reports@p.iam.gserviceaccount.com)`. */
  describe(): string;
  /**
   * Asks Google for a token.
   * @throws ProxyError `token_unavailable` (may work later) or `credentials_invalid` (somebody has to act; has a hint)
   */
  mint(request: TokenRequest): Promise<MintedToken>;
  /**
   * Full names of the files it reads for each mint. When one changes, or comes into being, a mint that failed may work
   * now, and the token held may be somebody else's.
   */
  files(): readonly string[];
  /** Longest wait for a mint, where more than usual is needed: another program has to be started. */
  readonly mintTimeoutMs?: number;
  /** The project this credential belongs to, where it can be known; asked for only when needed, as it may take seconds. */
  projectId(): Promise<string | undefined>;
}

/** Tokens for one credential and one request, kept fresh. */
export interface TokenSource {
  readonly request: TokenRequest;
  /** The valid token held right now, read without waiting; undefined when there is none. */
  current(): HeldToken | undefined;
  /**
   * The current token, or the one being minted; starts a mint when there is neither and none failed too recently.
   * @throws ProxyError as `Credential.mint`, with `retryAfterMs` where a later try is planned
   */
  obtain(): Promise<HeldToken>;
  /**
   * A token in place of one that an upstream refused: the current one if it is another already, else a new one. Callers
   * at once share one mint, and a token that is hardly older than a minute isn't replaced.
   * @returns undefined when there is no other
   */
  replace(refused: HeldToken): Promise<HeldToken | undefined>;
  /** What `current` would say, and why there is nothing, for banners, readiness and logs. Holds no token. */
  status(): TokenStatus;
}

/** A token with what is needed on the request path. */
export interface HeldToken {
  /** `Bearer …`, ready for a header. */
  readonly bearer: string;
  /** The token alone, to look for in what upstreams send back. */
  readonly value: string;
  readonly identity: string | undefined;
  readonly quotaProject: string | undefined;
  /** The `aud` claim, where it is not the audience asked for: Google gives people tokens for the OAuth client. */
  readonly otherAudience: string | undefined;
  /** Milliseconds since it was received. */
  ageMs(): number;
  /** Milliseconds until it ends. */
  remainingMs(): number;
}

export interface TokenStatus {
  readonly state: 'empty' | 'minting' | 'valid' | 'failed';
  readonly identity: string | undefined;
  readonly remainingMs: number | undefined;
  /** How long there has been a valid token without a break, or none. */
  readonly forMs: number;
  /** The last failure, while it stands. */
  readonly error: Error | undefined;
}

/** Where Google is. Every field left out means the real one. Filled by the embedded emulator. */
export interface GoogleEndpoints {
  /** Origin that stands for every `https://*.googleapis.com` (or the universe's domain): paths stay. */
  readonly apisUrl?: string;
  /** Instead of `http://169.254.169.254` on AWS. */
  readonly awsMetadataUrl?: string;
  /** `host:port` of the metadata server, instead of `metadata.google.internal`. */
  readonly metadataHost?: string;
  /** The credential file that application default credentials find there (parsed JSON). */
  readonly applicationDefault?: Readonly<Record<string, unknown>>;
}
