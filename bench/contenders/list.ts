import { join } from 'node:path';
import { nginxInstalled } from '../nginx.ts';
import { startPinned } from '../pinned-process.ts';
import type { Contender } from './contender.ts';
import { startLogging, startQuiet } from './gcp-bearer-proxy.ts';
import { startFixedTokenNginx } from './nginx.ts';

/** As long as an ID token of the emulator, so that every contender sends as many bytes as we do. */
const FIXED_AUTHORIZATION = `Bearer ${'h'.repeat(90)}.${'p'.repeat(376)}.${'s'.repeat(342)}`;

const OWN_TOKEN = /^Bearer [\w-]+\.[\w-]+\.[\w-]+$/;
const FIXED_TOKEN = new RegExp(`^${FIXED_AUTHORIZATION}$`);

/** Everyone we can measure on this machine, in the order of the table. */
export const contenders: readonly Contender[] = [
  { name: 'gcp-bearer-proxy', label: 'gcp-bearer-proxy', authorization: OWN_TOKEN, start: startQuiet },
  {
    name: 'gcp-bearer-proxy-log',
    label: 'gcp-bearer-proxy, JSON access log',
    authorization: OWN_TOKEN,
    start: startLogging,
  },
  {
    name: 'http-proxy',
    label: 'http-proxy',
    authorization: FIXED_TOKEN,
    start: programStarter('http-proxy.ts'),
  },
  {
    name: 'http-proxy-keep-alive',
    label: 'http-proxy, keep-alive agent',
    authorization: FIXED_TOKEN,
    start: programStarter('http-proxy.ts', { BENCH_KEEP_ALIVE: 'yes' }),
  },
  {
    name: 'node-http',
    label: 'node:http',
    authorization: FIXED_TOKEN,
    start: programStarter('node-http.ts'),
  },
  ...(nginxInstalled ? [nginx('nginx', '')] : []),
];

/** For gRPC; it speaks HTTP/2 only. */
export const handWrittenHttp2: Contender = {
  name: 'node:http2',
  label: 'node:http2',
  authorization: FIXED_TOKEN,
  start: programStarter('node-http2.ts'),
};

/** For long bodies, which nginx otherwise collects in files. */
export const unbuffered: readonly Contender[] = nginxInstalled
  ? [nginx('nginx, unbuffered', 'proxy_buffering off; proxy_request_buffering off;')]
  : [];

function nginx(name: string, settings: string): Contender {
  return {
    name,
    label: name,
    authorization: FIXED_TOKEN,
    start: (upstreamUrl, stage) =>
      startFixedTokenNginx(upstreamUrl, { authorization: FIXED_AUTHORIZATION, settings }, stage),
  };
}

/** How to start a rival that is a program of ours in `programs/`. */
function programStarter(file: string, options: Readonly<Record<string, string>> = {}): Contender['start'] {
  return async (upstreamUrl, { cores }) => {
    const program = join(import.meta.dirname, '..', 'programs', file);
    const env = { BENCH_UPSTREAM: upstreamUrl, BENCH_AUTHORIZATION: FIXED_AUTHORIZATION, ...options };
    const rival = startPinned([process.execPath, program], { core: cores?.contender, env });
    const { url } = JSON.parse(await rival.firstLine());
    return { url, process: rival };
  };
}
