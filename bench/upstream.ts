import { join } from 'node:path';
import { nginxInstalled, startNginx } from './nginx.ts';
import { startPinned } from './pinned-process.ts';
import { answerBody } from './programs/small-answer.ts';
import type { Stage } from './stage.ts';

/** The service behind every contender while numbers are taken. */
export interface Upstream {
  readonly url: string;
  /** What it is, for the report. */
  readonly kind: string;
}

/** Starts the fastest upstream there is, so that it isn't what is measured: nginx, or else `small-answer.ts`. */
export async function startUpstream({ cores, createFolder }: Stage): Promise<Upstream> {
  const core = cores?.load;
  if (nginxInstalled) {
    const location = `default_type application/json; return 200 '${answerBody}';`;
    const { url } = await startNginx({ directory: createFolder('upstream'), core, location });
    return { url, kind: 'nginx' };
  }
  const program = join(import.meta.dirname, 'programs', 'small-answer.ts');
  const upstream = startPinned([process.execPath, program], { core });
  const { url } = JSON.parse(await upstream.firstLine());
  return { url, kind: 'built in' };
}
