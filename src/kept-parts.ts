import { listSecretVariables } from './auth/credentials/child-environment.ts';
import { type CredentialsOptions, createCredentials as createAnew } from './auth/credentials/index.ts';
import type { Credential } from './auth/token-source.ts';
import type { Clock } from './clock.ts';
import type { CredentialConfig } from './config/config.ts';
import type { Emulator, StandIn } from './emulator/emulator.ts';

type Configs = Readonly<Record<string, CredentialConfig>>;

/** What an emulator has to have: services by name, and stand-ins that are just so. */
export interface EmulatedParts {
  readonly services: readonly string[];
  readonly standIns: readonly StandIn[];
}

interface KeptEmulator {
  readonly emulator: Emulator;
  /** Each of its services and stand-ins, as text. */
  readonly parts: ReadonlySet<string>;
  /** Of the configuration before: who took it from that may be about to call it still. */
  isOfBefore: boolean;
}

/** What one configuration leaves to the next: credentials that say the same are the same, so their tokens are, too. */
export interface KeptParts {
  /** As `createCredentials`, with the objects that were made before where what they were made from is the same. */
  createCredentials(configs: Configs, options: CredentialsOptions): Record<string, Credential>;
  /** Forgets all credentials but these, and retires all emulators but this one and, until the next time, that before it. */
  keepOnly(used: ReadonlySet<Credential>, emulator: Emulator | undefined): void;
  /** One that is running and has all of these, or a new one. */
  startEmulator(wanted: EmulatedParts): Promise<Emulator>;
  /** Stops every emulator. */
  close(): Promise<void>;
}

export function createKeptParts(clock: Clock): KeptParts {
  const credentials = new Map<string, Credential>();
  const emulators = new Set<KeptEmulator>();
  const retired = new Set<Emulator>();
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
    keepOnly(used, emulator) {
      for (const [key, credential] of credentials) if (!used.has(credential)) credentials.delete(key);
      for (const one of emulators) {
        const isUsed = one.emulator === emulator;
        if (!isUsed && one.isOfBefore) {
          emulators.delete(one);
          retired.add(one.emulator);
          void one.emulator.retire().then(() => retired.delete(one.emulator));
        }
        one.isOfBefore = !isUsed;
      }
    },
    async startEmulator(wanted) {
      const parts = listParts(wanted);
      const fitting = [...emulators].filter((one) => [...parts].every((part) => one.parts.has(part)));
      const known = fitting.find(({ isOfBefore }) => !isOfBefore) ?? fitting[0];
      if (known !== undefined) return known.emulator;
      const { createEmulator, SERVICE_NAMES } = await import('./emulator/emulator.ts');
      const services = SERVICE_NAMES.filter((name) => wanted.services.includes(name));
      const emulator = await createEmulator({ clock, services, standIns: wanted.standIns });
      emulators.add({ emulator, parts, isOfBefore: false });
      return emulator;
    },
    async close() {
      const all = [...retired, ...[...emulators].map(({ emulator }) => emulator)];
      await Promise.all(all.map((emulator) => emulator.close()));
    },
  };
}

function listParts({ services, standIns }: EmulatedParts): ReadonlySet<string> {
  return new Set([...services, ...standIns.map((standIn) => JSON.stringify(standIn))]);
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
