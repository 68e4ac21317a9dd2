import { type ErrorCode, isProxyError, ProxyError } from '../errors.ts';

/** A failure as it goes from one process of the proxy to another. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;
}

/** Of what isn't named, only its kind: nobody knows what its message quotes. */
export function toFault(error: unknown): Fault {
  if (isProxyError(error)) {
    const { code, message, hint, retryAfterMs } = error;
    return { code, message, hint, retryAfterMs };
  }
  const kind = error instanceof Error ? error.name : typeof error;
  return {
    code: 'internal',
    message: `Unexpected failure in another process of the proxy (${kind}).`,
    hint: undefined,
    retryAfterMs: undefined,
  };
}

export function toError({ code, message, hint, retryAfterMs }: Fault): ProxyError {
  return new ProxyError(code, message, { hint, retryAfterMs });
}
