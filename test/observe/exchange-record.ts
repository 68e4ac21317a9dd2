import type { ExchangeRecord } from '../../src/observe/events.ts';

/** What is told of a request that went well. */
export const RECORD: ExchangeRecord = {
  requestId: 'abc-1',
  method: 'GET',
  target: '/orders?id=…',
  scheme: 'http',
  httpVersion: '1.1',
  host: 'localhost:8080',
  route: '/orders',
  upstream: 'https://orders.example',
  upstreamTarget: '/orders?id=…',
  status: 200,
  error: undefined,
  message: undefined,
  sentMs: 0.4,
  upstreamMs: 37.04,
  totalMs: 38.26,
  tokenAgeMs: 720_400,
  requestBytes: 12,
  responseBytes: 3_400,
  trace: undefined,
  refusal: undefined,
  isReplay: false,
  leakedHeaders: undefined,
  cause: undefined,
};
