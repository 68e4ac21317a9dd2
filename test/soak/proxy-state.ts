import { scrape } from '../support/exposition.ts';

/** What the proxy says of itself, of its metrics that matter here. */
export interface ProxyState {
  readonly inFlight: number;
  readonly clientConnections: number;
  readonly upstreamConnections: number;
  /** Requests that are over. */
  readonly requests: number;
  readonly mints: number;
  readonly mintFailures: number;
  /** Requests sent a second time. */
  readonly retries: number;
  /** New configurations. */
  readonly applied: number;
  readonly refused: number;
  /** What it refused or failed itself, by code. */
  readonly errors: Readonly<Record<string, number>>;
}

export async function readProxyState(adminUrl: string): Promise<ProxyState> {
  const { samples } = await scrape(adminUrl);
  const errors: Record<string, number> = {};
  const sums: Record<string, number> = {};
  for (const [sample, value] of samples) {
    const name = sample.split('{', 1)[0] ?? '';
    sums[name] = (sums[name] ?? 0) + value;
    const code = name === 'gbp_errors_total' ? /code="(\w+)"/.exec(sample)?.[1] : undefined;
    if (code !== undefined && value > 0) errors[code] = (errors[code] ?? 0) + value;
  }
  const sum = (name: string): number => sums[name] ?? 0;
  const reloads = (result: string): number =>
    samples.get(`gbp_config_reloads_total{result="${result}"}`) ?? 0;
  return {
    inFlight: sum('gbp_requests_in_flight'),
    clientConnections: sum('gbp_client_connections'),
    upstreamConnections: sum('gbp_upstream_connections'),
    requests: sum('gbp_requests_total'),
    mints: sum('gbp_token_mints_total'),
    mintFailures: sum('gbp_token_mint_failures_total'),
    retries: sum('gbp_upstream_retries_total'),
    applied: reloads('applied'),
    refused: reloads('refused'),
    errors,
  };
}
