import { keepClear, readAdmin } from './admin.ts';
import type { Config, GateConfig, LimitsConfig } from './config.ts';
import { readCredentials } from './credentials.ts';
import type { DraftFile } from './draft.ts';
import { parseFileName } from './file-name.ts';
import { readGoogleSettings } from './google-settings.ts';
import { parseHostName, parseOrigin } from './host.ts';
import type { RefuseAt } from './issues.ts';
import type { Env, Layer } from './layers.ts';
import { readListeners } from './listeners.ts';
import { readLog } from './log.ts';
import { readRoutes } from './routes.ts';
import { findWarnings } from './warnings.ts';

const DEFAULT_LIMITS: LimitsConfig = { connections: 8_192, requests: 4_096 };

export interface Interpretation {
  /** For messages: a file name, or `command line`. */
  readonly source: string;
  /** Relative file names start here. */
  readonly folder: string;
  readonly draft: DraftFile;
  readonly refuseAt: RefuseAt;
  /** What settings outside of routes may come from, lowest precedence first. */
  readonly layers: readonly Layer[];
  readonly env: Env;
}

/** Understands every value of a draft. What it can't is refused and left out, so the result counts only if nothing was. */
export function interpretDraft({ source, folder, draft, refuseAt, layers, env }: Interpretation): Config {
  const credentials = readCredentials(draft.credentials, { folder, env, refuseAt });
  const { listen, allowUnauthenticatedClients } = readListeners(layers, env);
  const admin = readAdmin(layers, { env, allowUnauthenticatedClients });
  const routes = readRoutes(draft.routes, { credentials, listen, admin, refuseAt });
  const gate: GateConfig = { ...readGate(draft.gate, refuseAt), allowUnauthenticatedClients };
  const google = readGoogleSettings(draft, layers, refuseAt);
  const caFile = layers.findLast((layer) => layer.caFile !== undefined)?.caFile;
  const warnings = findWarnings({ routes, credentials, google, env });
  return deepFreeze({
    source,
    listen,
    admin: keepClear(admin, routes),
    credentials: Object.fromEntries(credentials.configs),
    routes,
    gate,
    limits: readLimits(draft.limits),
    google,
    log: readLog(layers),
    caFile: caFile && parseFileName(caFile.value, { folder: caFile.folder, env }, caFile.refuse),
    warnings,
  });
}

function readGate(draft: DraftFile['gate'], refuseAt: RefuseAt): Pick<GateConfig, 'hosts' | 'origins'> {
  const hosts = (draft?.hosts ?? []).map((text, index) =>
    text === undefined ? undefined : parseHostName(text, refuseAt(['gate', 'hosts', index])),
  );
  const origins = (draft?.origins ?? []).map((text, index) =>
    text === undefined ? undefined : parseOrigin(text, refuseAt(['gate', 'origins', index])),
  );
  return {
    hosts: hosts.filter((host) => host !== undefined),
    origins: origins.filter((origin) => origin !== undefined),
  };
}

function readLimits(draft: DraftFile['limits']): LimitsConfig {
  const { connections = DEFAULT_LIMITS.connections, requests = DEFAULT_LIMITS.requests } = draft ?? {};
  return { connections, requests };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
