/** The project everything in the emulator belongs to. */
export const PROJECT = { id: 'emulated-project', number: '123456789012' } as const;

/** The universe everybody is in who hasn't one of their own. */
export const DEFAULT_UNIVERSE = 'googleapis.com';

/** Somebody who can hold a token. */
export interface Account {
  readonly kind: 'service-account' | 'user';
  readonly email: string;
  /** Google's unique id: 21 digits, the `sub` of every token. */
  readonly id: string;
}

/** Somebody whom another identity provider knows: has neither an e-mail address nor ID tokens of Google's. */
export interface Principal {
  readonly kind: 'principal';
  /** `principal://iam.googleapis.com/…/subject/…` */
  readonly id: string;
  /** The sets it is in, each as `principalSet://iam.googleapis.com/…/attribute.repository/example/app`. */
  readonly sets: readonly string[];
}

/** Somebody an access token can stand for. */
export type Identity = Account | Principal;

/** How somebody is called: an e-mail address, or a principal's id. */
export function toIdentityName(identity: Identity): string {
  return identity.kind === 'principal' ? identity.id : identity.email;
}

const serviceAccount = (email: string, id: string): Account => ({ kind: 'service-account', email, id });

/** The accounts there are. Who may act as whom is in `permissions.ts`. */
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

/** E-mail addresses with `roles/run.invoker` on every service, unless its policy says otherwise. */
export const INVOKERS: readonly string[] = [
  ACCOUNTS.developer.email,
  ACCOUNTS.runner.email,
  ACCOUNTS.compute.email,
  ACCOUNTS.user.email,
];

/** The account with an e-mail address or unique id. */
export function findAccount(emailOrId: string): Account | undefined {
  return ALL.find((account) => account.email === emailOrId || account.id === emailOrId);
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

/** What signing in left behind on the person's machine. */
export interface UserSecrets {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly refreshToken: string;
}
