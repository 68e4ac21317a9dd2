import { AWS_ROLE_ARN } from './aws.ts';
import { ACCOUNTS, type Account, type Identity } from './directory.ts';
import { CERTIFICATE_SUBJECT, toPrincipal, toPrincipalSet, WORKFORCE_USER } from './pool.ts';

/** What somebody may do with a service account. https://cloud.google.com/iam/docs/service-account-permissions */
export type AccountPermission =
  | 'iam.serviceAccounts.getAccessToken'
  | 'iam.serviceAccounts.getOpenIdToken'
  | 'iam.serviceAccounts.implicitDelegation'
  | 'iam.serviceAccounts.signJwt';

/** Roles on a service account, with those of their permissions that matter here. */
const ROLES = {
  'roles/iam.serviceAccountTokenCreator': [
    'iam.serviceAccounts.getAccessToken',
    'iam.serviceAccounts.getOpenIdToken',
    'iam.serviceAccounts.implicitDelegation',
    'iam.serviceAccounts.signJwt',
  ],
  'roles/iam.serviceAccountOpenIdTokenCreator': ['iam.serviceAccounts.getOpenIdToken'],
  'roles/iam.workloadIdentityUser': [
    'iam.serviceAccounts.getAccessToken',
    'iam.serviceAccounts.getOpenIdToken',
  ],
} as const satisfies Record<string, readonly AccountPermission[]>;

/** A role on a service account. */
interface Binding {
  readonly target: Account;
  readonly role: keyof typeof ROLES;
  /** E-mail addresses, principals and principal sets. */
  readonly members: readonly string[];
}

const TRUSTED_REPOSITORY = toPrincipalSet('repository', 'example/app');

/**
 * Who may act as whom. Held so that a chain can be tried: the user may become `compute` only through `runner`. The AWS
 * role may have tokens made for `runner` and nothing signed, the repository may do both.
 */
const BINDINGS: readonly Binding[] = [
  {
    target: ACCOUNTS.runner,
    role: 'roles/iam.serviceAccountTokenCreator',
    members: [ACCOUNTS.developer.email, ACCOUNTS.user.email, WORKFORCE_USER.id, TRUSTED_REPOSITORY],
  },
  {
    target: ACCOUNTS.runner,
    role: 'roles/iam.workloadIdentityUser',
    members: [
      TRUSTED_REPOSITORY,
      toPrincipalSet('aws_role', AWS_ROLE_ARN),
      toPrincipal(CERTIFICATE_SUBJECT).id,
    ],
  },
  {
    target: ACCOUNTS.compute,
    role: 'roles/iam.serviceAccountTokenCreator',
    members: [ACCOUNTS.runner.email],
  },
  // In a universe of its own, a key buys ID tokens in no other way than for the account itself.
  {
    target: ACCOUNTS.developer,
    role: 'roles/iam.serviceAccountOpenIdTokenCreator',
    members: [ACCOUNTS.developer.email],
  },
];

/** Who has `roles/viewer` on the project. */
const PROJECT_VIEWERS: readonly string[] = [
  ACCOUNTS.developer.email,
  ACCOUNTS.compute.email,
  ACCOUNTS.user.email,
  WORKFORCE_USER.id,
  TRUSTED_REPOSITORY,
  toPrincipalSet('aws_role', AWS_ROLE_ARN),
];

/** Whether somebody may do this with a service account. Nobody may act as themselves without a grant either. */
export function hasPermission(caller: Identity, permission: AccountPermission, target: Account): boolean {
  return BINDINGS.some((binding) => {
    const permissions: readonly AccountPermission[] = ROLES[binding.role];
    return binding.target === target && permissions.includes(permission) && isAmong(caller, binding.members);
  });
}

/** Whether somebody may see the project (`resourcemanager.projects.get`). */
export function mayViewProject(caller: Identity): boolean {
  return isAmong(caller, PROJECT_VIEWERS);
}

/** Whether somebody may list what is in the project (`run.services.list`, `cloudfunctions.functions.list` and so on). */
export function mayListServices(caller: Identity): boolean {
  return isAmong(caller, PROJECT_VIEWERS);
}

function isAmong(identity: Identity, members: readonly string[]): boolean {
  const names = identity.kind === 'principal' ? [identity.id, ...identity.sets] : [identity.email];
  return names.some((name) => members.includes(name));
}
