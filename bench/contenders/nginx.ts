import { startNginx } from '../nginx.ts';
import type { Stage } from '../stage.ts';
import type { RunningContender } from './contender.ts';

interface FixedToken {
  readonly authorization: string;
  /** More of nginx's own words for `location`. */
  readonly settings: string;
}

/** Starts nginx with one fixed token and warm upstream connections: what a C program does where nothing has to be decided. */
export function startFixedTokenNginx(
  upstreamUrl: string,
  { authorization, settings }: FixedToken,
  stage: Stage,
): Promise<RunningContender> {
  return startNginx({
    directory: stage.createFolder('nginx'),
    core: stage.cores?.contender,
    http: `upstream service {
    server ${new URL(upstreamUrl).host};
    keepalive 128;
    keepalive_requests 1000000000;
  }`,
    location: `proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Host ${new URL(upstreamUrl).host};
      proxy_set_header Connection "";
      proxy_set_header Authorization "${authorization}";
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_pass_header Date;
      proxy_pass_header Server;
      ${settings}`,
  });
}
