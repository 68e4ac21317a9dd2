import type { CredentialConfig, FederationConfig } from '../../../src/config/config.ts';
import type { Emulator } from '../../../src/emulator/emulator.ts';
import type { Setting } from './setting.ts';

/** Workloads elsewhere, as a configuration names them. */
export interface Workloads {
  readonly providers: Emulator['federation']['providers'];
  federated(from: FederationConfig, serviceAccount?: string): CredentialConfig;
  github(serviceAccount?: string): CredentialConfig;
  aws(serviceAccount?: string): CredentialConfig;
  /** With a configuration file of this content. */
  configFile(name: string, file: unknown, serviceAccount?: string): Promise<CredentialConfig>;
}

export function toWorkloads(setting: Setting): Workloads {
  const workloads: Workloads = {
    get providers() {
      return setting.google.federation.providers;
    },
    federated: (from, serviceAccount) => ({ kind: 'federated', from, serviceAccount }),
    github: (serviceAccount) =>
      workloads.federated({ kind: 'github', provider: workloads.providers.github }, serviceAccount),
    aws: (serviceAccount) =>
      workloads.federated({ kind: 'aws', provider: workloads.providers.aws }, serviceAccount),
    configFile: async (name, file, serviceAccount) =>
      workloads.federated({ kind: 'config-file', path: await setting.write(name, file) }, serviceAccount),
  };
  return workloads;
}
