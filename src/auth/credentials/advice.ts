import type { Advice, MintFailure } from '../failure.ts';
import { toGrantCommand } from './kind.ts';

/** Renews what application default credentials find for a person. */
export const LOGIN = 'gcloud auth application-default login';

/** For those who get no such tokens themselves. */
export const ACT_AS =
  'Act as a service account: { kind: impersonate, account: NAME@PROJECT.iam.gserviceaccount.com, source: THIS_ONE }';

/** What may stand in a command as it is: files can hold anything, and people paste hints into their shells. */
const WORD = /^[\w.@:+-]{1,200}$/;

/** A service account, as far as its key file tells about it. */
export interface KeyFacts {
  readonly email: string | undefined;
  /** 21 digits. */
  readonly uniqueId: string | undefined;
  /** The file to put another key into. */
  readonly path: string;
  /** What is to be done with that file then; nothing where the key is read from it. */
  readonly nextStep?: string;
}

/** What to do when Google doesn't take a person's login. `command` renews it. */
export function adviseLogin(failure: MintFailure, command: string = LOGIN): Advice | undefined {
  if (failure.unreachable || isServerFault(failure)) return undefined;
  const { subtype, detail = '' } = failure;
  if (subtype === 'invalid_rapt' || detail.includes('invalid_rapt'))
    return { because: 'your organization wants you to log in again (invalid_rapt)', hint: command };
  return command;
}

/** What to do when Google doesn't take a service account's key. */
export function adviseKey(
  failure: MintFailure,
  { email, uniqueId, path, nextStep }: KeyFacts,
): Advice | undefined {
  const { reason, detail = '' } = failure;
  const account = toWord(email, 'ACCOUNT');
  if (reason !== 'invalid_grant') return undefined;
  if (/disabled/i.test(detail)) return `gcloud iam service-accounts enable ${account}`;
  if (/account not found|deleted/i.test(detail))
    return `gcloud iam service-accounts undelete ${toWord(uniqueId, 'UNIQUE_ID')}`;
  const create = `gcloud iam service-accounts keys create ${path} --iam-account=${account}`;
  return nextStep === undefined ? create : `${create}, then ${nextStep}`;
}

/** What to do when IAM doesn't let one identity act as an account. `member` is it, as IAM policies name it. */
export function adviseImpersonation(
  failure: MintFailure,
  account: string,
  member: string,
  role?: string,
): Advice | undefined {
  const { status, detail = '' } = failure;
  if (/service account .*disabled|account is disabled/i.test(detail))
    return `gcloud iam service-accounts enable ${account}`;
  if (status === 404) return `gcloud iam service-accounts list --project=${toProject(account)}`;
  return status === 403 ? toGrantCommand(account, member, role) : undefined;
}

/** A text from a file, where it can be shown in a command; else what stands for it. */
export function toWord<Else extends string | undefined>(
  text: string | undefined,
  instead: Else,
): string | Else {
  return text !== undefined && WORD.test(text) ? text : instead;
}

function isServerFault({ status }: MintFailure): boolean {
  return status !== undefined && (status >= 500 || status === 429 || status === 408);
}

/** The project in a service account's e-mail address. */
function toProject(account: string): string {
  return /@([a-z0-9-]+)\.iam\.gserviceaccount\.com$/.exec(account)?.[1] ?? 'PROJECT';
}
