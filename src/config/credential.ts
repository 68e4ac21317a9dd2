import type { CredentialConfig } from './config.ts';
import { type DraftCredential, type DraftCredentialOf, hasHole } from './draft.ts';
import { readFederation } from './federation.ts';
import { type FileNameContext, parseFileName } from './file-name.ts';
import { type Path, quote, type Refuse, type RefuseAt } from './issues.ts';
import { parseSecretSource } from './secret.ts';

/** Fit for a command line, too: nothing that means something to a shell, and no dash in front. */
const EMAIL = /^\w[\w.+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]+$/i;
/** Names a metadata server knows an account by. */
const METADATA_ACCOUNT = /^[\w.@-]+$/;

export interface CredentialContext extends FileNameContext {
  readonly refuseAt: RefuseAt;
  /** Finds what an impersonation stands on, by the name somebody wrote or left out. */
  readonly findSource: (name: string | undefined) => string | undefined;
}

/** Reads one identity; undefined when something in it was refused. */
export function readCredential(
  draft: DraftCredential,
  path: Path,
  context: CredentialContext,
): CredentialConfig | undefined {
  const { refuseAt } = context;
  switch (draft.kind) {
    case 'adc':
    case 'none':
      return { kind: draft.kind };
    case 'key-file':
      return readKeyFile(draft, path, context);
    case 'user': {
      if (!('path' in draft)) return { kind: 'user', path: undefined };
      const file = readFileName(draft.path, [...path, 'path'], context);
      return file === undefined ? undefined : { kind: 'user', path: file };
    }
    case 'metadata': {
      const account = draft.account ?? 'default';
      if (METADATA_ACCOUNT.test(account)) return { kind: 'metadata', account };
      return refuseAt([...path, 'account'])(
        `${quote(account)} is not a service account's e-mail address or \`default\`.`,
      );
    }
    case 'impersonate':
      return readImpersonation(draft, path, context);
    case 'federated': {
      const { serviceAccount } = draft;
      if (serviceAccount !== undefined) checkAccount(serviceAccount, refuseAt([...path, 'serviceAccount']));
      const from = readFederation(draft, path, context);
      return from === undefined ? undefined : { kind: 'federated', from, serviceAccount };
    }
    case 'gcloud': {
      const { account } = draft;
      if (account !== undefined && !EMAIL.test(account)) {
        return refuseAt([...path, 'account'])(
          `${quote(account)} is not an e-mail address.`,
          'To see the accounts there are: gcloud auth list',
        );
      }
      return { kind: 'gcloud', account };
    }
    case 'token': {
      if (draft.from === undefined) return undefined;
      const from = parseSecretSource(draft.from, context, refuseAt([...path, 'from']));
      return from === undefined ? undefined : { kind: 'token', from };
    }
    case undefined:
      return undefined;
  }
}

function readKeyFile(
  draft: DraftCredentialOf<'key-file'>,
  path: Path,
  context: CredentialContext,
): CredentialConfig | undefined {
  const { refuseAt } = context;
  if ('path' in draft && 'key' in draft) {
    return refuseAt([...path, 'key'], 'key')(
      '`path` and `key` exclude each other.',
      'Leave one of them out.',
    );
  }
  if ('key' in draft) {
    if (draft.key === undefined) return undefined;
    const key = parseSecretSource(draft.key, context, refuseAt([...path, 'key']));
    return key === undefined ? undefined : { kind: 'key-file', key };
  }
  if (!('path' in draft)) {
    if (hasHole(draft)) return undefined;
    return refuseAt([...path, 'path'])(
      '`path` is missing, or `key`.',
      'Write `path: FILE`, or `key: env:NAME` for a key in an environment variable.',
    );
  }
  const file = readFileName(draft.path, [...path, 'path'], context);
  return file === undefined ? undefined : { kind: 'key-file', key: { kind: 'file', path: file } };
}

function readImpersonation(
  draft: DraftCredentialOf<'impersonate'>,
  path: Path,
  { refuseAt, findSource }: CredentialContext,
): CredentialConfig | undefined {
  const delegates = (draft.delegates ?? []).filter((delegate, index) => {
    if (delegate !== undefined) checkAccount(delegate, refuseAt([...path, 'delegates', index]));
    return delegate !== undefined;
  });
  const { account } = draft;
  if (account !== undefined) checkAccount(account, refuseAt([...path, 'account']));
  const source = findSource(draft.source);
  if (account === undefined || source === undefined) return undefined;
  return { kind: 'impersonate', account, source, delegates };
}

function readFileName(text: string | undefined, path: Path, context: CredentialContext): string | undefined {
  return text === undefined ? undefined : parseFileName(text, context, context.refuseAt(path));
}

function checkAccount(text: string, refuse: Refuse): void {
  if (EMAIL.test(text)) return;
  refuse(
    `${quote(text)} is not an e-mail address.`,
    "A service account's looks like `runner@my-project.iam.gserviceaccount.com`.",
  );
}
