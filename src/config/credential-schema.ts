/** The shape of the identities in a configuration file. */
import { settings, text, z } from './schema-parts.ts';

const account = text("a service account's e-mail address").meta({
  description: 'E-mail address of a service account.',
  examples: ['runner@my-project.iam.gserviceaccount.com'],
});

const PATHS = '~ is your home folder; other paths start at the folder of this configuration.';

const adc = settings({
  kind: z
    .literal('adc')
    .describe(
      "Application default credentials: whatever Google's own tools find on this machine (GOOGLE_APPLICATION_CREDENTIALS, then `gcloud auth application-default login`, then the metadata server).",
    ),
});

const keyFile = settings({
  kind: z.literal('key-file').describe("A service account's key. Give either path or key."),
  path: text('a file name')
    .meta({ description: `The key's JSON file. ${PATHS}`, examples: ['~/.var/key.json'] })
    .optional(),
  key: text('the place of the key, env:NAME or file:/path')
    .meta({
      description: 'Where the JSON text of the key is: env:NAME, or file:/path.',
      examples: ['env:GCP_KEY'],
    })
    .optional(),
});

const user = settings({
  kind: z.literal('user').describe("Somebody's login, as `gcloud auth application-default login` keeps it."),
  path: text('a file name')
    .meta({
      description: `The login's JSON file, where it isn't in its usual place. ${PATHS}`,
      examples: ['~/.var/login.json'],
    })
    .optional(),
});

const metadata = settings({
  kind: z
    .literal('metadata')
    .describe('A service account of the machine: Compute Engine, GKE, Cloud Run, Cloud Build.'),
  account: text("a service account's e-mail address, or default")
    .meta({ description: 'Which one, where the machine has several.', default: 'default' })
    .optional(),
});

const impersonate = settings({
  kind: z
    .literal('impersonate')
    .describe(
      'Acts as a service account; needs roles/iam.serviceAccountTokenCreator on it. No key file involved.',
    ),
  account: account.describe('E-mail address of the service account to act as.'),
  source: text('the name of a credential')
    .describe('The credential that may act as it. Left out: default; for default itself: adc.')
    .optional(),
  delegates: z
    .array(account, { error: "a list of service accounts' e-mail addresses" })
    .describe('Service accounts between source and account, first to last: each may act as the next.')
    .optional(),
});

const federated = settings({
  kind: z
    .literal('federated')
    .describe(
      'Workload identity federation: a GitHub Actions job, a role on AWS, anything with an OIDC token. Give either path, or provider and from.',
    ),
  path: text('a file name')
    .meta({
      description: `A credential configuration file, as \`gcloud iam workload-identity-pools create-cred-config\` writes it. ${PATHS}`,
      examples: ['./wif.json'],
    })
    .optional(),
  provider: text("a workload identity provider's name")
    .meta({
      description: 'The workload identity provider that knows the workload; with the number of the project.',
      examples: ['projects/123456789012/locations/global/workloadIdentityPools/ci/providers/github'],
    })
    .optional(),
  from: text('github, aws, or file:/path')
    .meta({
      description:
        'Where the workload gets its own token, for provider: github (Actions, with `permissions: id-token: write`), aws (environment or instance metadata), or file:/path of a file that holds an OIDC token.',
      examples: ['github', 'aws', 'file:/var/run/token'],
    })
    .optional(),
  serviceAccount: account
    .describe(
      'The service account to act as. Needed for ID tokens, unless the file says one. Needs roles/iam.workloadIdentityUser on it.',
    )
    .optional(),
});

const gcloud = settings({
  kind: z
    .literal('gcloud')
    .describe('Asks the gcloud command for each token; for when there is nothing else.'),
  account: text('an e-mail address')
    .meta({
      description: "Which of gcloud's accounts. Left out: its active one.",
      examples: ['me@example.com'],
    })
    .optional(),
});

const token = settings({
  kind: z.literal('token').describe('A token that something else makes and renews.'),
  from: text('the place of the token, env:NAME or file:/path').meta({
    description: 'Where the token is: env:NAME, or file:/path, which is read again when it changes.',
    examples: ['env:MY_TOKEN', 'file:/run/token'],
  }),
});

const none = settings({ kind: z.literal('none').describe('Sends no token.') });

const KINDS = [adc, keyFile, user, metadata, impersonate, federated, gcloud, token, none] as const;
const NAMES = KINDS.map((kind) => kind.shape.kind.value);

const credential = z
  .discriminatedUnion('kind', KINDS, {
    error: `a map with a kind: ${NAMES.slice(0, -1).join(', ')} or ${NAMES.at(-1)}`,
  })
  .meta({ description: 'An identity that asks Google for tokens.' });

export const credentials = z
  .record(z.string(), credential, { error: 'a map of names, each with a credential' })
  .meta({
    description:
      'Named identities. Routes use `default` unless they name another; `default` is adc unless it is given here. Secrets are never written here, only where they are.',
    examples: [{ reports: { kind: 'key-file', path: '~/.var/key.json' } }],
  });
