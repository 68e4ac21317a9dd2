import { listSecretVariables } from './auth/credentials/child-environment.ts';
import { type CredentialsOptions, createCredentials as createAnew } from './auth/credentials/index.ts';
import type { Credential } from './auth/token-source.ts';
import type { Clock } from './clock.ts';
import type { CredentialConfig } from './config/config.ts';
import type { Emulator, StandIn } from './emulator/emulator.ts';

type Configs = Readonly<Record<string, CredentialConfig>>;

/** What one configuration leaves to the next: credentials that say the same are the same, so their tokens are, too. */
export interface KeptParts {
  /** As `createCredentials`, with the objects that were made before where what they were made from is the same. */
  createCredentials(configs: Configs, options: CredentialsOptions): Record<string, Credential>;
  /** Forgets all credentials but these. */
  keepOnly(used: ReadonlySet<Credential>): void;
  /**
   * The emulator that has these services and stand-ins: the last one, or a new one with all services that it had and these. The others
   * run on for who uses them.
   */
  startEmulator(services: readonly string[], standIns: readonly StandIn[]): Promise<Emulator>;
  /** Stops every emulator. */
  close(): Promise<void>;
}

export function createKeptParts(clock: Clock): KeptParts {
  const credentials = new Map<string, Credential>();
  /** Each has something that the one before had not, so there are never many. */
  const emulators: { readonly emulator: Emulator; readonly standIns: ReadonlySet<string> }[] = [];
  return {
    createCredentials(configs, options) {
      const made = Object.entries(createAnew(configs, options)).map(([name, anew]) => {
        const key = toKey(name, configs, options);
        const credential = credentials.get(key) ?? anew;
        credentials.set(key, credential);
        return [name, credential] as const;
      });
      return Object.fromEntries(made);
    },
    keepOnly(used) {
      for (const [key, credential] of credentials) if (!used.has(credential)) credentials.delete(key);
    },
    async startEmulator(services, standIns) {
      const { createEmulator, SERVICE_NAMES } = await import('./emulator/emulator.ts');
      const last = emulators.at(-1);
      const running = Object.keys(last?.emulator.services ?? {});
      const hasServices = services.every((name) => running.includes(name));
      const wantedStandIns = standIns.map((standIn) => JSON.stringify(standIn));
      if (last !== undefined && hasServices && wantedStandIns.every((one) => last.standIns.has(one)))
        return last.emulator;
      const wanted = SERVICE_NAMES.filter((name) => services.includes(name) || running.includes(name));
      const emulator = await createEmulator({ clock, services: wanted, standIns });
      emulators.push({ emulator, standIns: new Set(wantedStandIns) });
      return emulator;
    },
    async close() {
      await Promise.all(emulators.map(({ emulator }) => emulator.close()));
    },
  };
}

/** Kinds that run programs, which get the environment without the variables that hold secrets. */
const RUNS_PROGRAMS: ReadonlySet<string> = new Set(['adc', 'federated', 'gcloud']);

/** Everything a credential is made from, but for the environment, which stays. */
function toKey(name: string, configs: Configs, options: CredentialsOptions): string {
  const chain: CredentialConfig[] = [];
  for (let config = configs[name]; config !== undefined; ) {
    chain.push(config);
    config = config.kind === 'impersonate' ? configs[config.source] : undefined;
  }
  const { endpoints, timeoutMs, universeDomain, secretVariables = [] } = options;
  const withheld = chain.some(({ kind }) => RUNS_PROGRAMS.has(kind))
    ? [secretVariables, listSecretVariables(configs)].flat().toSorted()
    : [];
  return JSON.stringify([chain, endpoints, timeoutMs, universeDomain, withheld]);
}
