import { type GoogleAnswer, toJsonAnswer } from './http.ts';

interface ApiErrorExtras {
  readonly details?: readonly object[];
  /** `WWW-Authenticate` */
  readonly challenge?: string;
}

/** An error as Google's REST APIs word it, on its way to the caller. https://google.aip.dev/193 */
export class ApiError extends Error {
  readonly answer: GoogleAnswer;

  constructor(code: number, status: string, message: string, { details, challenge }: ApiErrorExtras = {}) {
    super(message);
    const body = { error: { code, message, status, ...(details && { details }) } };
    this.answer = toJsonAnswer(code, body, challenge === undefined ? {} : { 'WWW-Authenticate': challenge });
  }
}

/** The answer of some work, or of the ApiError it ended with. */
export async function answerOrApiError(work: () => Promise<GoogleAnswer>): Promise<GoogleAnswer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ApiError) return error.answer;
    throw error;
  }
}

export function invalidArgument(message: string): ApiError {
  return new ApiError(400, 'INVALID_ARGUMENT', message);
}

/** Machine-readable reason of an error (`google.rpc.ErrorInfo`). */
export function toErrorInfo(
  reason: string,
  domain: string,
  metadata: Readonly<Record<string, string>>,
): object {
  return { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain, metadata };
}
