import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';
import { listen, readTask } from './task.ts';

const { upstream, authorization } = readTask();

const proxy = httpProxy.createProxyServer({
  target: upstream.origin,
  agent: new Agent({ keepAlive: true }),
  changeOrigin: true,
  xfwd: true,
  headers: { authorization },
});
proxy.on('error', (_error, _request, response) => response.destroy());

listen(createServer((request, response) => proxy.web(request, response)));
