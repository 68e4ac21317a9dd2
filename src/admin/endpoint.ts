/** One thing the admin port does. */
export interface Endpoint {
  /** What answers to `GET` answers to `HEAD` as well. */
  readonly method: 'GET' | 'POST';
  /** Matched whole: `/livez`. */
  readonly path: `/${string}`;
  /** Whether only those may who know the token of this launch: whatever changes state (R10). */
  readonly needsToken: boolean;
  answer(): AdminAnswer | Promise<AdminAnswer>;
}

/** What an endpoint says. It may hold no token and no credential: whoever reaches the port reads it. */
export interface AdminAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Done once the answer is on its way, or can't be sent any more. */
  readonly afterwards?: (() => void) | undefined;
}

/** A value as an answer. */
export function toJsonAnswer(status: number, value: object): AdminAnswer {
  return {
    status,
    contentType: 'application/json; charset=utf-8',
    body: `${JSON.stringify(value, null, 2)}\n`,
  };
}
