import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../../clock.ts';
import type { AwsCredentials } from '../aws.ts';
import type { AwsSessions } from '../aws-sessions.ts';
import type { UserSecrets } from '../directory.ts';
import type { Github } from '../github.ts';
import type { Issuance, Issuer } from '../issuer.ts';
import type { Keys } from '../keys.ts';
import type { ProjectState } from '../project.ts';

/** A request to one of Google's endpoints, read completely. */
export interface GoogleRequest {
  /** Where this server listens: `http://127.0.0.1:port`. */
  readonly origin: string;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The certificate a client showed on a connection with mutual TLS, in DER. */
  readonly clientCertificate: Buffer | undefined;
  /** How the endpoint makes tokens: as Google does, or as a fault says. */
  readonly issuance: Issuance;
}

/** What an endpoint answers. */
export interface GoogleAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What endpoints know. */
export interface Google {
  readonly clock: Clock;
  readonly keys: Keys;
  readonly issuer: Issuer;
  readonly user: UserSecrets;
  readonly workforce: UserSecrets;
  readonly github: Github;
  readonly awsCredentials: AwsCredentials;
  readonly awsSessions: AwsSessions;
  readonly project: ProjectState;
  /** `googleapis.com`, or the domain of a universe of its own. */
  readonly universeDomain: string;
}

export type GoogleHandler = (request: GoogleRequest, google: Google) => GoogleAnswer | Promise<GoogleAnswer>;

/** Scopes as requests list them (RFC 6749, section 3.3). */
export function toScopes(text: string): string[] {
  return text.split(' ').filter((scope) => scope !== '');
}

/** The token of a `Bearer` credential (RFC 6750, section 2.1); empty where there is none. */
export function readBearerToken({ authorization = '' }: IncomingHttpHeaders): string {
  return /^bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
}

/** An answer in JSON. */
export function toJsonAnswer(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): GoogleAnswer {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=UTF-8', ...headers },
    body: `${JSON.stringify(body, undefined, 2)}\n`,
  };
}

/** An answer that holds a token: nobody may keep it (RFC 6749, section 5.1). */
export function toTokenAnswer(body: unknown): GoogleAnswer {
  return toJsonAnswer(200, body, {
    'Cache-Control': 'no-cache, no-store, max-age=0, must-revalidate',
    Pragma: 'no-cache',
  });
}

/** An error in the words of OAuth 2.0 (RFC 6749, section 5.2). */
export function toOAuthError(status: number, error: string, description: string): GoogleAnswer {
  return toJsonAnswer(status, { error, error_description: description });
}

/** An error page, as Google's front end shows for what it doesn't know. */
export function toErrorPage(status: number, title: string): GoogleAnswer {
  return {
    status,
    headers: { 'Content-Type': 'text/html; charset=UTF-8' },
    body: `<!DOCTYPE html>\n<html lang=en>\n<title>Error ${status} (${title})!!1</title>\n<p><b>${status}.</b> ${title}.\n`,
  };
}
