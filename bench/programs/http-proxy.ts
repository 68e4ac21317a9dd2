import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';
import { listen, readTask } from './task.ts';

const { upstream, authorization } = readTask();

// As it comes, http-proxy opens a connection to the upstream for every request.
const agent = process.env.BENCH_KEEP_ALIVE === 'yes' ? new Agent({ keepAlive: true }) : undefined;

const proxy = httpProxy.createProxyServer({
  target: upstream.origin,
  ...(agent && { agent }),
  changeOrigin: true,
  xfwd: true,
  headers: { authorization },
});
proxy.on('error', (_error, _request, response) => response.destroy());

const server = createServer((request, response) => proxy.web(request, response));
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head));
listen(server);
