import type { RefusalContext } from '../auth/refusal.ts';
import type { Credential, HeldToken, TokenRequest } from '../auth/token-source.ts';
import type { Clock } from '../clock.ts';
import type { Route } from '../relay/site.ts';
import { examineAnonymous, examineAnswer, examineSilence, findIapClient } from './examine-answer.ts';
import { examineAudience } from './examine-audience.ts';
import { examineClock } from './examine-clock.ts';
import { examineConnection, examineDns } from './examine-connection.ts';
import { describeClaims, examineCredential, examineToken } from './examine-token.ts';
import { type Answer, askUpstream, type HttpProbe } from './http-probe.ts';
import { type NetworkProbe, resolveHost, tryConnection } from './network-probe.ts';
import { type CheckName, type CheckResult, type Examined, ok, type RouteReport, skipped } from './result.ts';
import type { TokenFacts, TokenObtained, TokenProbe } from './token-probe.ts';

/** A route as the proxy would run it. */
export interface CheckedRoute {
  readonly route: Route;
  /** The proxy that its requests go through. */
  readonly forwardProxy: URL | undefined;
  /** Both undefined for routes that send no token. */
  readonly credential: Credential | undefined;
  readonly request: TokenRequest | undefined;
}

/** What a check looks with. */
export interface Probes {
  readonly clock: Clock;
  readonly tokens: TokenProbe;
  readonly network: NetworkProbe;
  readonly http: HttpProbe;
}

/** Told of each look, when it begins and when it is over. */
export interface Progress {
  begin(name: CheckName): void;
  end(result: CheckResult): void;
}

interface Steps {
  begin(name: CheckName): void;
  end(name: CheckName, examined: Examined): void;
}

/** Looks at everything a request on a route needs, one after the other. Never rejects, and ends in bounded time. */
export async function checkRoute(
  checked: CheckedRoute,
  probes: Probes,
  progress: Progress,
): Promise<RouteReport> {
  const checks: CheckResult[] = [];
  const steps: Steps = {
    begin: (name) => progress.begin(name),
    end(name, examined) {
      const result = { name, ...examined };
      checks.push(result);
      progress.end(result);
    },
  };
  const token = await checkToken(checked, probes, steps);
  const obtained = token?.kind === 'obtained' ? token : undefined;
  const isReachable = await checkNetwork(checked, probes, steps);
  const answer = isReachable ? await checkAnswers(checked, obtained, probes, steps) : undefined;
  steps.end('clock', examineClock(obtained?.clockOffsetMs, answer?.clockOffsetMs));
  return {
    name: checked.route.name,
    credential: checked.credential?.describe(),
    identity: obtained?.held.identity,
    claims: obtained?.claims,
    lacksToken: token?.kind === 'refused',
    isFine: checks.every(({ status }) => status !== 'failed'),
    checks,
  };
}

/** Which credential, and whether it gives a token. Undefined for routes that send none. */
async function checkToken(
  { credential, request }: CheckedRoute,
  { tokens }: Probes,
  steps: Steps,
): Promise<TokenFacts | undefined> {
  if (credential === undefined || request === undefined) {
    steps.end('credential', ok('Sends no token.'));
    return undefined;
  }
  steps.begin('token');
  const facts = await tokens.obtain(credential, request);
  // A credential knows more of itself once it was used.
  steps.end('credential', examineCredential(credential.describe()));
  steps.end('token', examineToken(facts, request));
  if (facts.kind === 'obtained' && facts.claims !== undefined)
    steps.end('claims', describeClaims(facts.claims));
  return facts;
}

/** Whether the upstream can be reached. */
async function checkNetwork(
  { route, forwardProxy }: CheckedRoute,
  { network, clock }: Probes,
  steps: Steps,
): Promise<boolean> {
  const origin = new URL(route.upstreamOrigin);
  if (forwardProxy === undefined) {
    steps.begin('dns');
    const dns = await resolveHost(origin, network);
    steps.end('dns', examineDns(dns, origin));
    if (dns.kind === 'failed') return false;
  } else {
    steps.end('dns', skipped(`The forward proxy ${forwardProxy.host} looks ${origin.hostname} up.`));
  }
  steps.begin('connection');
  const connection = await tryConnection(origin, forwardProxy, network);
  steps.end('connection', examineConnection(connection, { origin, forwardProxy, nowMs: clock.now().wallMs }));
  return connection.kind === 'connected';
}

/** What the upstream answers, without the token and with it. Gives the last answer there was. */
async function checkAnswers(
  { route, request }: CheckedRoute,
  token: TokenObtained | undefined,
  { http }: Probes,
  steps: Steps,
): Promise<Answer | undefined> {
  steps.begin('without token');
  const anonymous = await askUpstream(route, undefined, http);
  if (anonymous.kind === 'failed') {
    steps.end('without token', examineSilence(anonymous.error));
    return undefined;
  }
  const iapClientId = findIapClient(anonymous);
  const unsigned = toContext(route, anonymous, undefined);
  if (request === undefined) {
    steps.end('without token', examineAnswer(anonymous, unsigned, iapClientId).examined);
    return anonymous;
  }
  const { examined, isPrivate } = examineAnonymous(anonymous, unsigned);
  steps.end('without token', examined);
  if (token === undefined) {
    steps.end('with token', skipped('There is no token to try.'));
    return anonymous;
  }
  steps.begin('with token');
  const { held } = token;
  const answer = await askUpstream(route, held, http);
  if (answer.kind === 'failed') {
    steps.end('with token', examineSilence(answer.error));
    return anonymous;
  }
  const judgement = examineAnswer(answer, toContext(route, answer, { request, held }), iapClientId);
  steps.end('with token', judgement.examined);
  if (request.kind !== 'access') {
    const { upstreamOrigin: origin, basePath } = route;
    steps.end('audience', examineAudience({ request, origin, basePath, held, isPrivate, judgement }));
  }
  return answer;
}

function toContext(
  { upstreamOrigin }: Route,
  { clockOffsetMs }: Answer,
  sent: { readonly request: TokenRequest; readonly held: HeldToken } | undefined,
): RefusalContext {
  return {
    upstreamOrigin,
    request: sent?.request,
    identity: sent?.held.identity,
    otherAudience: sent?.held.otherAudience,
    tokenAgeMs: sent?.held.ageMs(),
    clockOffsetMs,
  };
}
