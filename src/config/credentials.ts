import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CredentialConfig } from './config.ts';
import { type Path, quote, type Refuse, type RefuseAt } from './issues.ts';
import { nearest } from './nearest.ts';
import type { DraftCredential, DraftFile } from './shape.ts';

const NAME = /^[a-z][a-z0-9_.-]{0,62}$/i;
const EMAIL = /^[^\s@/:?#%]+@[^\s@/:?#%]+\.[a-z]+$/i;
/** Names a metadata server knows an account by. */
const METADATA_ACCOUNT = /^[\w.@-]+$/;

/** Used by routes that name no other; is adc unless it is declared. */
const DEFAULT_NAME = 'default';
/** There without being declared, as what `default` stands on when it is an impersonation itself. */
const ADC_NAME = 'adc';

/** The identities of a configuration, with the names that can be used. */
export interface Credentials {
  readonly configs: ReadonlyMap<string, CredentialConfig>;
  /** Finds a credential by the name somebody wrote. */
  readonly find: (name: string, refuse: Refuse) => string | undefined;
  /** Names that were declared and that nothing refers to. */
  readonly unused: () => readonly string[];
}

export interface CredentialsContext {
  /** Relative file names start here. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly refuseAt: RefuseAt;
}

/** Reads all credentials and checks how they stand on one another. */
export function readCredentials(draft: DraftFile['credentials'], context: CredentialsContext): Credentials {
  const { refuseAt } = context;
  const declared = Object.keys(draft ?? {});
  const names = new Set([...declared, DEFAULT_NAME, ADC_NAME]);
  const used = new Set<string>();
  const configs = new Map<string, CredentialConfig>();

  const find = (name: string, refuse: Refuse): string | undefined => {
    if (!names.has(name)) {
      const meant = nearest(name, [...names]);
      const hint = meant === undefined ? '' : `Did you mean \`${meant}\`? `;
      return refuse(
        `There are no credentials named ${quote(name)}.`,
        `${hint}There are: ${[...names].join(', ')}.`,
      );
    }
    used.add(name);
    if (!declared.includes(name)) configs.set(name, { kind: 'adc' });
    return name;
  };

  for (const [name, credential] of Object.entries(draft ?? {})) {
    const path = ['credentials', name];
    if (!NAME.test(name)) {
      refuseAt(path, 'key')(
        `${quote(name)} can't name a credential.`,
        'Use a letter, then letters, digits and -._',
      );
    }
    const config = credential && readCredential(name, credential, path, context, find);
    if (config !== undefined) configs.set(name, config);
  }
  if (!declared.includes(DEFAULT_NAME)) configs.set(DEFAULT_NAME, { kind: 'adc' });
  refuseCycles(configs, refuseAt);
  return { configs, find, unused: () => declared.filter((name) => !used.has(name)) };
}

function readCredential(
  name: string,
  draft: DraftCredential,
  path: Path,
  context: CredentialsContext,
  find: Credentials['find'],
): CredentialConfig | undefined {
  const { refuseAt } = context;
  switch (draft.kind) {
    case 'adc':
      return { kind: 'adc' };
    case 'key-file': {
      if (draft.path === undefined) return undefined;
      if (/^\s*\{/.test(draft.path)) {
        return refuseAt([...path, 'path'])(
          'The path holds the key itself.',
          'Save it in a file and name that.',
        );
      }
      if (draft.path.trim() === '') return refuseAt([...path, 'path'])('The path is empty.');
      return { kind: 'key-file', key: { kind: 'file', path: toFullPath(draft.path, context) } };
    }
    case 'metadata': {
      const account = draft.account ?? 'default';
      if (METADATA_ACCOUNT.test(account)) return { kind: 'metadata', account };
      return refuseAt([...path, 'account'])(
        `${quote(account)} is not a service account's e-mail address or \`default\`.`,
      );
    }
    case 'impersonate': {
      const delegates = draft.delegates ?? [];
      for (const [index, delegate] of delegates.entries())
        checkEmail(delegate, refuseAt([...path, 'delegates', index]));
      checkEmail(draft.account, refuseAt([...path, 'account']));
      const fallback = name === DEFAULT_NAME ? ADC_NAME : DEFAULT_NAME;
      const source = find(draft.source ?? fallback, refuseAt([...path, 'source']));
      if (draft.account === undefined || source === undefined) return undefined;
      return {
        kind: 'impersonate',
        account: draft.account,
        source,
        delegates: delegates.filter((one) => one !== undefined),
      };
    }
    case undefined:
      return undefined;
  }
}

function checkEmail(text: string | undefined, refuse: Refuse): void {
  if (text === undefined || EMAIL.test(text)) return;
  refuse(
    `${quote(text)} is not an e-mail address.`,
    "A service account's looks like `runner@my-project.iam.gserviceaccount.com`.",
  );
}

function toFullPath(path: string, { env, folder }: CredentialsContext): string {
  if (!/^~(?:[\\/]|$)/.test(path)) return resolve(folder, path);
  const home = process.platform === 'win32' ? env.USERPROFILE : env.HOME;
  return join(home || homedir(), path.slice(1));
}

/** An impersonation stands on another credential, which in the end has to be something else. */
function refuseCycles(configs: ReadonlyMap<string, CredentialConfig>, refuseAt: RefuseAt): void {
  const reported = new Set<string>();
  for (const start of configs.keys()) {
    const chain: string[] = [];
    let name = start;
    let config = configs.get(name);
    while (config?.kind === 'impersonate' && !chain.includes(name) && !reported.has(name)) {
      chain.push(name);
      name = config.source;
      config = configs.get(name);
    }
    const cycle = chain.slice(chain.indexOf(name));
    if (!chain.includes(name)) continue;
    for (const member of cycle) reported.add(member);
    refuseAt(['credentials', name, 'source'])(
      `These credentials stand on themselves: ${[...cycle, name].join(' -> ')}.`,
      'One of them has to have a source that is not an impersonation, such as `adc`.',
    );
  }
}
