/** The project everything in the emulator belongs to. */
export const PROJECT = { id: 'emulated-project', number: '123456789012' } as const;

/** Somebody who can hold a token. */
export interface Account {
  readonly kind: 'service-account' | 'user';
  readonly email: string;
  /** Google's unique id: 21 digits, the `sub` of every token. */
  readonly id: string;
}

const serviceAccount = (email: string, id: string): Account => ({ kind: 'service-account', email, id });

/** The identities there are. Who may do what is below. */
export const ACCOUNTS = {
  /** Holds a key file. */
  developer: serviceAccount(`developer@${PROJECT.id}.iam.gserviceaccount.com`, '100000000000000000001'),
  /** The target of impersonation. Has no key. */
  runner: serviceAccount(`runner@${PROJECT.id}.iam.gserviceaccount.com`, '100000000000000000002'),
  /** Holds a key file, and may do nothing with what it buys. */
  stranger: serviceAccount(`stranger@${PROJECT.id}.iam.gserviceaccount.com`, '100000000000000000003'),
  /** The identity of the machine: what the metadata server speaks for. Has no key. */
  compute: serviceAccount(`${PROJECT.number}-compute@developer.gserviceaccount.com`, '100000000000000000004'),
  /** A person, signed in with `gcloud auth application-default login`. */
  user: { kind: 'user', email: 'dev@example.com', id: '100000000000000000005' },
} as const satisfies Record<string, Account>;

const ALL: readonly Account[] = Object.values(ACCOUNTS);

/** `roles/run.invoker` on every service. */
const INVOKERS: readonly Account[] = [ACCOUNTS.developer, ACCOUNTS.runner, ACCOUNTS.compute, ACCOUNTS.user];

/**
 * `roles/iam.serviceAccountTokenCreator`: the second may act as the first. Held so that a chain can be tried: the user
 * may become `compute` only through `runner`.
 */
const TOKEN_CREATORS: readonly (readonly [target: Account, caller: Account])[] = [
  [ACCOUNTS.runner, ACCOUNTS.developer],
  [ACCOUNTS.runner, ACCOUNTS.user],
  [ACCOUNTS.compute, ACCOUNTS.runner],
];

/** The account with an e-mail address or unique id. */
export function findAccount(emailOrId: string): Account | undefined {
  return ALL.find((account) => account.email === emailOrId || account.id === emailOrId);
}

/** Whether an account may call the private services. */
export function mayInvoke(account: Account): boolean {
  return INVOKERS.includes(account);
}

/** Whether `caller` may have tokens made for `target`. */
export function mayCreateTokens(caller: Account, target: Account): boolean {
  return TOKEN_CREATORS.some((binding) => binding[0] === target && binding[1] === caller);
}

/** OAuth client of `gcloud auth application-default login`. */
export const APPLICATION_DEFAULT_CLIENT_ID =
  '764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com';

/** OAuth clients of gcloud. Cloud Run accepts a person's ID token for these in place of its own audience. */
export const GCLOUD_CLIENT_IDS: readonly string[] = [
  APPLICATION_DEFAULT_CLIENT_ID,
  '32555940559.apps.googleusercontent.com',
];

/** What a person agreed to when signing in with gcloud. */
export const USER_SCOPES: readonly string[] = [
  'openid',
  'https://www.googleapis.com/auth/userinfo.email',
  'https://www.googleapis.com/auth/cloud-platform',
];

/** What signing in left behind on the person's machine, beside the client id. */
export interface UserSecrets {
  readonly clientSecret: string;
  readonly refreshToken: string;
}
