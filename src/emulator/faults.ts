/** Families of endpoints that can be counted and made to fail: Google's, and those of AWS and GitHub beside it. */
export type GoogleEndpoint =
  | 'token'
  | 'sts'
  | 'generateIdToken'
  | 'generateAccessToken'
  | 'signJwt'
  | 'metadata'
  | 'certs'
  | 'userInfo'
  | 'resourceManager'
  | 'run'
  | 'functions'
  | 'awsMetadata'
  | 'githubOidc';

/** How an endpoint misbehaves. */
export type Fault =
  /** Answers this status, with a body of Google's kind or the given JSON. */
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
  /** Answers properly, but later. */
  | { readonly delayMs: number }
  /** Never answers; ends with `close()` or when the client goes away. */
  | 'hang'
  /** Cuts the connection. */
  | 'reset'
  /** 200 with something that is neither a token nor JSON. */
  | 'garbage'
  /** 200 with no body. */
  | 'empty'
  /** Gives out the token it gave last time, however old, where it gave one. */
  | 'same-token'
  /** Makes ID tokens (GitHub's among them) for this audience, whatever was asked for. */
  | { readonly audience: string }
  /** Makes tokens that live this long, where that is shorter than usual. */
  | { readonly lifetimeMs: number }
  /** Answers by a clock that is off by so much: `Date`, `iat`, `exp`, `expires_in`. What came in is still judged by the right one. */
  | { readonly dateOffsetMs: number };

/** Switches for tests, to be turned while the emulator runs. */
export interface Faults {
  /** Lets the next requests to an endpoint fail: as many as `times` says, else until cleared. Replaces what was set. */
  set(endpoint: GoogleEndpoint, fault: Fault, times?: number): void;
  /** Heals one endpoint, or all. What hangs goes on hanging. */
  clear(endpoint?: GoogleEndpoint): void;
}

/** The switches as the server sees them. */
export interface FaultPlan extends Faults {
  /** The fault for the request at hand, used up by one. */
  take(endpoint: GoogleEndpoint): Fault | undefined;
}

export function createFaultPlan(): FaultPlan {
  const planned = new Map<GoogleEndpoint, { readonly fault: Fault; left: number }>();
  return {
    set(endpoint, fault, times = Number.POSITIVE_INFINITY) {
      planned.set(endpoint, { fault, left: times });
    },
    clear(endpoint) {
      if (endpoint === undefined) planned.clear();
      else planned.delete(endpoint);
    },
    take(endpoint) {
      const plan = planned.get(endpoint);
      if (plan === undefined || plan.left <= 0) return undefined;
      plan.left -= 1;
      return plan.fault;
    },
  };
}
