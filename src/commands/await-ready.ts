import type { Clock } from '../clock.ts';
import { isProxyError, ProxyError } from '../errors.ts';
import type { RunningProxy } from '../proxy.ts';

export interface AwaitReadyOptions {
  readonly proxy: Pick<RunningProxy, 'ready' | 'routes' | 'askUpstreams'>;
  readonly clock: Clock;
  /** Longest wait for all of it. */
  readonly timeoutMs: number;
  /** Each upstream has to answer something as well. */
  readonly checkUpstreams: boolean;
  /** Resolves when nobody waits any more. */
  readonly stopped: Promise<unknown>;
}

/** What keeps a route from being ready. */
interface Obstacle {
  readonly route: string;
  readonly reason: string;
  readonly hint?: string | undefined;
  readonly lacksToken: boolean;
  /** Waiting doesn't help: somebody has to act. */
  readonly isFinal: boolean;
}

/** Between two looks. */
const LOOK_MS = 100;
const ASK_TIMEOUT_MS = 5_000;

/**
 * Waits until every route has its token, and every upstream answers where that is asked for. Returns as well once `stopped`.
 * @throws ProxyError `credentials_invalid` or `token_unavailable` (exit 4) when a token can't be had, at once where waiting
 * doesn't help; `not_ready` (exit 1) when an upstream doesn't answer in time. The message has a reason for each route.
 */
export async function awaitReady(options: AwaitReadyOptions): Promise<void> {
  const { proxy, clock, timeoutMs, stopped } = options;
  let isOver = false;
  let hasStopped = false;
  const { promise: deadline, resolve } = Promise.withResolvers<void>();
  const cancel = clock.schedule(timeoutMs, () => {
    isOver = true;
    resolve();
  });
  const end = Promise.race([
    deadline,
    stopped.then(() => {
      hasStopped = true;
    }),
  ]);
  try {
    await Promise.race([proxy.ready, end]);
    let unanswered: readonly Obstacle[] | undefined;
    while (!hasStopped) {
      const lacking = findLackingTokens(proxy);
      if (lacking.length === 0) {
        if (!options.checkUpstreams) return;
        unanswered = (await Promise.race([findUnanswered(options), end.then(() => undefined)])) ?? unanswered;
        if (unanswered?.length === 0) return;
      }
      if (hasStopped) return;
      if (isOver || lacking.some(({ isFinal }) => isFinal)) {
        throw toNotReady(lacking.length > 0 ? lacking : (unanswered ?? UNANSWERED), timeoutMs, isOver);
      }
      await Promise.race([pause(clock), end]);
    }
  } finally {
    cancel();
  }
}

/** The time was up before anybody could tell. */
const UNANSWERED: readonly Obstacle[] = [
  { route: 'upstreams', reason: 'no answer yet', lacksToken: false, isFinal: false },
];

function findLackingTokens({ routes }: AwaitReadyOptions['proxy']): readonly Obstacle[] {
  return routes.flatMap((route) => {
    const status = route.status();
    if (status === undefined || status.remainingMs !== undefined) return [];
    const { error } = status;
    return [
      {
        route: route.name,
        reason: error?.message ?? 'its token is not there yet',
        hint: isProxyError(error) ? error.hint : undefined,
        lacksToken: true,
        isFinal: isProxyError(error) && error.code === 'credentials_invalid',
      },
    ];
  });
}

async function findUnanswered({ proxy, timeoutMs }: AwaitReadyOptions): Promise<readonly Obstacle[]> {
  const answers = await proxy.askUpstreams(Math.min(ASK_TIMEOUT_MS, timeoutMs));
  return answers.flatMap(({ route, fault }) =>
    fault === undefined ? [] : [{ route, reason: fault, lacksToken: false, isFinal: false }],
  );
}

function toNotReady(obstacles: readonly Obstacle[], timeoutMs: number, isOver: boolean): ProxyError {
  const lines = obstacles.map(({ route, reason }) => `\n  ${route}: ${reason}`).join('');
  const when = isOver ? ` after ${timeoutMs / 1_000} s` : '';
  const lacking = obstacles.filter(({ lacksToken }) => lacksToken);
  const isFinal = lacking.some((obstacle) => obstacle.isFinal);
  const code = isFinal ? 'credentials_invalid' : lacking.length > 0 ? 'token_unavailable' : 'not_ready';
  const hints = new Set(obstacles.flatMap(({ hint }) => hint ?? []));
  const hint = hints.size === 0 ? 'gcp-bearer-proxy check explains more.' : [...hints].join('\n  ');
  return new ProxyError(code, `Not ready${when}, so the command was not run:${lines}`, { hint });
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.schedule(LOOK_MS, resolve));
}
