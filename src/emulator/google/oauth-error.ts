import { Refusal } from './api-error.ts';
import { toOAuthError } from './http.ts';

/** An error in the words of OAuth 2.0 (RFC 6749, section 5.2), on its way to the caller. */
export class OAuthError extends Refusal {
  constructor(error: string, description: string, status = 400) {
    super(description, toOAuthError(status, error, description));
  }
}
