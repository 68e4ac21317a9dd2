import { ProxyError } from '../errors.ts';
import type { Gate } from '../gate/gate.ts';
import { type RequestFacts, readRequestFacts } from '../relay/request-head.ts';
import type { Endpoint } from './endpoint.ts';

export interface AdminRules {
  readonly gate: Gate;
  readonly endpoints: readonly Endpoint[];
  /** Whether a text is the token of this launch; undefined where there is none, so that nothing changes state. */
  readonly isToken: ((text: string) => boolean) | undefined;
}

export interface AdminRequest {
  readonly method: string;
  readonly target: string;
  /** Field lines: name, value, name, value. */
  readonly lines: readonly string[];
}

export type AdminVerdict =
  | { readonly kind: 'answer'; readonly endpoint: Endpoint }
  | { readonly kind: 'refuse'; readonly error: ProxyError };

/** No endpoint reads a body. One as long as this is let pass by unread; a longer one is refused. */
const MOST_BODY_BYTES = 65_536;

/** Decides what a request to the admin port gets. Pure; never throws. */
export function judge(rules: AdminRules, { method, target, lines }: AdminRequest): AdminVerdict {
  const facts = readRequestFacts(lines);
  // The same as for clients of the proxy: no page may read or use this port either, not even one that has the token.
  const verdict = rules.gate({ ...facts, method, scheme: 'http' });
  if (verdict.kind !== 'admit') return refuse(verdict.error);

  const path = target.split('?', 1)[0];
  const here = rules.endpoints.filter((endpoint) => endpoint.path === path);
  if (here.length === 0) return refuse(toUnknownPath(rules.endpoints));
  const wanted = method === 'HEAD' ? 'GET' : method;
  const endpoint = here.find((candidate) => candidate.method === wanted);
  if (endpoint === undefined) {
    const allow = here.flatMap((one) => (one.method === 'GET' ? ['GET', 'HEAD'] : [one.method])).join(', ');
    return refuse(
      new ProxyError('method_not_allowed', `${here[0]?.path} takes ${allow} and nothing else.`, { allow }),
    );
  }

  const error = (endpoint.needsToken ? judgeToken(rules, facts) : undefined) ?? judgeBody(facts);
  return error === undefined ? { kind: 'answer', endpoint } : refuse(error);
}

function refuse(error: ProxyError): AdminVerdict {
  return { kind: 'refuse', error };
}

function toUnknownPath(endpoints: readonly Endpoint[]): ProxyError {
  const names = endpoints.map(({ method, path }) => `${method} ${path}`).join(', ');
  return new ProxyError('no_endpoint', 'The admin port has nothing at this path.', {
    hint: `There are: ${names}.`,
  });
}

function judgeToken({ isToken }: AdminRules, facts: RequestFacts): ProxyError | undefined {
  if (isToken === undefined) {
    return new ProxyError(
      'admin_token_required',
      'This admin port changes nothing: there is no token for it.',
      {
        hint: 'Add a line to the configuration:  admin: { tokenFile: FILE }  (--admin-token-file FILE). Each launch writes a new token there.',
      },
    );
  }
  const { authorization = '', authorizationCount } = facts;
  const [, token] = /^bearer ([\w-]+)$/i.exec(authorization) ?? [];
  if (authorizationCount === 1 && token !== undefined && isToken(token)) return undefined;
  return new ProxyError(
    'admin_token_required',
    `This takes the token of this launch, ${authorizationCount === 0 ? 'and there was none' : 'and that was not it'}.`,
    { hint: 'Send what is in the file that `admin.tokenFile` names:  Authorization: Bearer TOKEN' },
  );
}

function judgeBody({ contentLength, transferEncoding }: RequestFacts): ProxyError | undefined {
  if (transferEncoding === undefined && Number(contentLength ?? 0) <= MOST_BODY_BYTES) return undefined;
  return new ProxyError('body_too_large', 'Nothing here takes a body.', { hint: 'Leave the body away.' });
}
