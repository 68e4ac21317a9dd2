import { type GoogleAnswer, toJsonAnswer } from './http.ts';

interface ApiErrorExtras {
  readonly details?: readonly object[];
  /** `WWW-Authenticate` */
  readonly challenge?: string;
}

/** A request refused, with the answer that says so. */
export class Refusal extends Error {
  readonly answer: GoogleAnswer;

  constructor(message: string, answer: GoogleAnswer) {
    super(message);
    this.answer = answer;
  }
}

/** The answer of some work, or of the refusal it ended with. */
export async function answerOrRefusal(work: () => Promise<GoogleAnswer>): Promise<GoogleAnswer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal) return error.answer;
    throw error;
  }
}

/** An error as Google's REST APIs word it. https://google.aip.dev/193 */
export class ApiError extends Refusal {
  constructor(code: number, status: string, message: string, { details, challenge }: ApiErrorExtras = {}) {
    const body = { error: { code, message, status, ...(details && { details }) } };
    const headers = challenge === undefined ? {} : { 'WWW-Authenticate': challenge };
    super(message, toJsonAnswer(code, body, headers));
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
