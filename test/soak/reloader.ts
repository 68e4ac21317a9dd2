import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scrape } from '../support/exposition.ts';
import { send } from '../support/stack.ts';
import type { Version, Versions } from './configuration.ts';
import { type ExchangePlan, NUMBER_FIELD, PLAIN, toTarget } from './exchange-plan.ts';
import { GUEST_ROUTE } from './stage-routes.ts';

/** How a new configuration is asked for. */
export type Way = 'POST /reload' | 'SIGHUP' | 'the file alone';

/** SIGHUP ends a process on Windows. */
const WAYS: readonly Way[] =
  process.platform === 'win32'
    ? ['POST /reload', 'the file alone']
    : ['POST /reload', 'SIGHUP', 'the file alone'];

export interface ReloaderOptions {
  readonly folder: string;
  readonly url: string;
  readonly adminUrl: string;
  readonly pid: number;
  readonly versions: Versions;
}

/** How long a change may take on a busy machine. */
const PATIENCE_MS = 20_000;
const LOOK_MS = 20;

/** Puts one configuration after the other in force while the proxy runs, and holds that each is, or changes nothing. */
export class Reloader {
  /** By outcome and way. */
  readonly counts: Record<string, number> = {};
  /** What did not come out as it should, in words. */
  readonly faults: string[] = [];
  readonly #options: ReloaderOptions;
  #inForce: Version;
  #asked = 0;

  /** @param inForce what the proxy was started with */
  constructor(inForce: Version, options: ReloaderOptions) {
    this.#inForce = inForce;
    this.#options = options;
  }

  /** The next configuration; every fourth has a mistake. Never throws. */
  async reload(): Promise<void> {
    const { versions } = this.#options;
    const isMistaken = this.#asked % 4 === 3;
    await this.#change(isMistaken ? versions.drawMistaken() : versions.draw());
  }

  /** Back to the usual one. Never throws. */
  async reset(): Promise<void> {
    await this.#change(this.#options.versions.usual());
  }

  async #change(version: Version): Promise<void> {
    const way = WAYS[this.#asked % WAYS.length] ?? 'POST /reload';
    this.#asked += 1;
    const name = `${version.mistake === undefined ? 'applied' : 'refused'} by ${way}`;
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    try {
      if (version.mistake === undefined) await this.#apply(version, way);
      else await this.#refuse(version, way);
      await this.#probe();
    } catch (error) {
      const about = version.mistake === undefined ? '' : ` with ${version.mistake}`;
      const why = error instanceof Error ? error.message : String(error);
      this.faults.push(`configuration ${version.number}${about}, ${way}: ${why}`);
    }
  }

  async #apply(version: Version, way: Way): Promise<void> {
    const status = await this.#ask(version, way);
    if (status !== undefined && status !== 200) throw new Error(`answered with ${status}`);
    await this.#until('it is not in force', async () => (await this.#readMarks()).includes(version.mark));
    this.#inForce = version;
  }

  async #refuse(version: Version, way: Way): Promise<void> {
    const before = await this.#countRefused();
    const status = await this.#ask(version, way);
    if (status !== undefined && status < 400) throw new Error(`answered with ${status}`);
    await this.#until('it is not refused', async () => (await this.#countRefused()) > before);
    const marks = await this.#readMarks();
    // As whoever wrote it would.
    await this.#write(this.#inForce.yaml);
    if (!marks.includes(this.#inForce.mark)) throw new Error('the one before is no more in force');
  }

  /** @returns the status of the answer, where there is one */
  async #ask({ yaml }: Version, way: Way): Promise<number | undefined> {
    const { folder, adminUrl, pid } = this.#options;
    await this.#write(yaml);
    if (way === 'SIGHUP') process.kill(pid, 'SIGHUP');
    if (way !== 'POST /reload') return undefined;
    const token = (await readFile(join(folder, 'admin-token'), 'utf8')).trim();
    return (await send(adminUrl, '/reload', 'POST', { Authorization: `Bearer ${token}` })).status;
  }

  /** There whole or not at all. */
  async #write(yaml: string): Promise<void> {
    const draft = join(this.#options.folder, 'proxy.yaml.new');
    await writeFile(draft, yaml);
    await rename(draft, join(this.#options.folder, 'proxy.yaml'));
  }

  async #readMarks(): Promise<readonly string[]> {
    const { gate } = (await send(this.#options.adminUrl, '/config')).json<{ gate: { hosts: string[] } }>();
    return gate.hosts;
  }

  async #countRefused(): Promise<number> {
    const { samples } = await scrape(this.#options.adminUrl);
    return samples.get('gbp_config_reloads_total{result="refused"}') ?? 0;
  }

  /** The guest is served where it is configured, and where it isn't there is nothing. */
  async #probe(): Promise<void> {
    const plan: ExchangePlan = { ...PLAIN, route: GUEST_ROUTE.name, number: this.#asked, at: 0, bytes: 10 };
    const { status, headers } = await send(this.#options.url, toTarget(plan), 'GET', { Connection: 'close' });
    const wanted = this.#inForce.hasGuest ? 200 : 404;
    const isRight = status === wanted && (status === 404 || headers[NUMBER_FIELD] === String(plan.number));
    if (!isRight) throw new Error(`/guest answers ${status} in place of ${wanted}`);
  }

  async #until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    while (!(await isSo())) {
      if (performance.now() > endMs) throw new Error(`${what} after ${PATIENCE_MS / 1_000} s`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}
