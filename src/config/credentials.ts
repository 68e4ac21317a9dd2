import type { CredentialConfig } from './config.ts';
import { readCredential } from './credential.ts';
import type { DraftFile } from './draft.ts';
import type { FileNameContext } from './file-name.ts';
import { quote, type Refuse, type RefuseAt } from './issues.ts';
import { nearest } from './nearest.ts';

const NAME = /^[a-z][a-z0-9_.-]{0,62}$/i;

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

export interface CredentialsContext extends FileNameContext {
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
    const source = name === DEFAULT_NAME ? ADC_NAME : DEFAULT_NAME;
    const findSource = (given: string | undefined): string | undefined =>
      find(given ?? source, refuseAt([...path, 'source']));
    const config = credential && readCredential(credential, path, { ...context, findSource });
    if (config !== undefined) configs.set(name, config);
  }
  if (!declared.includes(DEFAULT_NAME)) configs.set(DEFAULT_NAME, { kind: 'adc' });
  refuseCycles(configs, refuseAt);
  refuseNobody(configs, refuseAt);
  return { configs, find, unused: () => declared.filter((name) => !used.has(name)) };
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

function refuseNobody(configs: ReadonlyMap<string, CredentialConfig>, refuseAt: RefuseAt): void {
  for (const [name, config] of configs) {
    if (config.kind !== 'impersonate' || configs.get(config.source)?.kind !== 'none') continue;
    refuseAt(['credentials', name, 'source'])(
      `The credentials \`${config.source}\` are of kind none, so there is nobody to act as ${config.account}.`,
      'Name others with `source`, such as `adc`.',
    );
  }
}
