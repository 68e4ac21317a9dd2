import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { createFolder } from '../support/stack.ts';
import { startRecordingUpstream } from './recording-upstream.ts';
import { createPing, type Door } from './stage.ts';

/** Another proxy in front of recording upstreams, a door for each of them. */
export interface Peer {
  readonly name: string;
  readonly doors: readonly Door[];
}

/** Says how a program is configured to lead from sockets of this machine to hosts, one each. */
interface Kind {
  readonly name: string;
  readonly version: readonly string[];
  args(dir: string): readonly string[];
  toConfig(dir: string, ways: readonly { readonly path: string; readonly host: string }[]): string;
}

const NGINX: Kind = {
  name: 'nginx',
  version: ['-v'],
  args: (dir) => ['-p', dir, '-c', join(dir, 'config'), '-e', join(dir, 'log')],
  toConfig: (dir, ways) => `daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/log crit;
events { worker_connections 1024; }
http {
  access_log off; merge_slashes off; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_request_buffering off; proxy_ignore_client_abort on; client_max_body_size 0; large_client_header_buffers 8 32k;
  client_header_timeout 3s; client_body_timeout 3s;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/temp;`).join(' ')}
  ${ways.map(({ path, host }) => `server { listen unix:${path}; location / { proxy_pass http://${host}; } }`).join('\n  ')}
}
`,
};

const HAPROXY: Kind = {
  name: 'haproxy',
  version: ['-v'],
  args: (dir) => ['-db', '-q', '-f', join(dir, 'config')],
  toConfig: (_dir, ways) => `global
  maxconn 1000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 3s
  timeout server 10s
  timeout http-request 3s
${ways
  .map(
    ({ path, host }, i) => `listen way${i}
  bind unix@${path}
  server upstream${i} ${host}
`,
  )
  .join('')}`,
};

/** Those that are installed here, started, and stopped after the test; and the names of the others. */
export async function startPeers(
  t: TestContext,
  doors: number,
): Promise<{ peers: Peer[]; missing: string[] }> {
  const peers: Peer[] = [];
  const missing: string[] = [];
  for (const kind of [NGINX, HAPROXY]) {
    if (isInstalled(kind)) peers.push(await startPeer(t, kind, doors));
    else missing.push(kind.name);
  }
  return { peers, missing };
}

/** Where system programs are that an ordinary user's PATH leaves out. */
const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

function isInstalled({ name, version }: Kind): boolean {
  try {
    execFileSync(name, [...version], { env: { ...process.env, PATH }, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function startPeer(t: TestContext, kind: Kind, count: number): Promise<Peer> {
  const dir = await createFolder(t);
  await mkdir(join(dir, 'temp'));
  const isPing = (target: string): boolean => /^\/(?:b\/)?ping-\d+$/.test(target);
  const upstreams = await Promise.all(
    Array.from({ length: count }, (_, i) => startRecordingUpstream(t, `${kind.name}-${i}-`, isPing)),
  );
  const ways = upstreams.map(({ host }, i) => ({ path: join(dir, `${i}.sock`), host }));
  await writeFile(join(dir, 'config'), kind.toConfig(dir, ways));
  const child = spawn(kind.name, [...kind.args(dir)], { env: { ...process.env, PATH }, stdio: 'ignore' });
  t.after(() => stop(child));
  const doors = upstreams.map((upstream, i): Door => {
    const reach = () => connect(ways[i]?.path ?? '');
    const none = { requests: [], parts: [], violations: [] };
    return {
      connect: reach,
      ping: createPing(t, reach, ['', '/b']),
      take: async () => ({ a: await upstream.take(), b: none }),
    };
  });
  await untilItListens(kind.name, ways.at(-1)?.path ?? '', child);
  return { name: kind.name, doors };
}

/** Neither program says when it listens. */
async function untilItListens(name: string, path: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect(path, () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (isThere) return;
    await after(50);
  }
  throw new Error(`${name} does not listen`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}
