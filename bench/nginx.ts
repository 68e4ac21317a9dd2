import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PinnedProcess, startPinned } from './pinned-process.ts';
import { findFreePort, untilAccepting } from './port.ts';

/** Whether nginx can be run from here. */
export const nginxInstalled: boolean = spawnSync('nginx', ['-v']).status === 0;

export interface RunningNginx {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly process: PinnedProcess;
}

export interface NginxOptions {
  /** An empty folder: configuration, pid and temporary files. */
  readonly directory: string;
  readonly core: number | undefined;
  /** What goes into `http {}` before the server. */
  readonly http?: string;
  /** What goes into `location / {}`. */
  readonly location: string;
}

/** Runs one worker with one server on a free loopback port that keeps its connections and logs nothing. */
export async function startNginx({
  directory,
  core,
  http = '',
  location,
}: NginxOptions): Promise<RunningNginx> {
  const port = await findFreePort();
  const file = join(directory, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${kind};`,
  );
  writeFileSync(
    file,
    `daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.join('\n  ')}
  client_max_body_size 0;
  ${http}
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 1000000000;
    location / {
      ${location}
    }
  }
}
`,
  );
  const command = ['nginx', '-p', directory, '-c', file, '-e', 'stderr'];
  const nginx = startPinned(command, { core });
  // nginx says nothing when it is ready, so a first line can only be its failure to get there.
  const failed = new AbortController();
  nginx.firstLine().catch((error) => failed.abort(error));
  await untilAccepting(port, failed.signal);
  return { url: `http://127.0.0.1:${port}`, process: nginx };
}
