/**
 * The shape of a configuration file, once: types, editor help and JSON Schema all come from here. What values mean, and
 * what they may be beyond their type, is checked where they are read (`upstream.ts`, `duration.ts` and so on).
 *
 * An `error` here is not a message but a phrase for what would be right: `shape.ts` makes the sentences.
 */
import { z } from 'zod';

export { EMULATED_SERVICES } from './upstream.ts';

/** A map with exactly these settings. Its error for an unknown key is the list of those there are. */
function settings<S extends z.core.$ZodLooseShape>(shape: S) {
  const names = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? names : `a map with ${names}`),
  });
}

const text = (what: string) => z.string({ error: what });
const listOf = <T extends z.ZodType>(item: T, what: string) =>
  z.array(item, { error: what }).min(1, { error: what });

// Numbers beyond what `meta` tells editors get through the types here, to be refused with a better reason.
const address = z.union([z.string(), z.number().meta({ type: 'integer', minimum: 0, maximum: 65_535 })], {
  error: 'an address such as localhost:8080, or a port',
});

const listen = z
  .union([address, listOf(address, 'a list of addresses')], {
    error: 'an address such as localhost:8080, a port, or a list of them',
  })
  .meta({
    description:
      'Where the proxy listens: host:port, a port, or a list. Port 0 is any free port. localhost is both 127.0.0.1 and [::1], and so is an address without a host. Beyond this machine only with gate.allowUnauthenticatedClients.',
    default: 'localhost:8080',
    examples: ['localhost:8080', 8080, ['127.0.0.1:8080', '[::1]:8080']],
  });

const admin = z
  .union([z.literal(false), address], { error: 'an address such as 127.0.0.1:9901, a port, or false' })
  .meta({
    description:
      'Where health, metrics and the inspector are served; false turns them off. Left out: 127.0.0.1:9901, or a free port if that one is taken.',
    default: '127.0.0.1:9901',
    examples: ['127.0.0.1:9901', false],
  });

const account = text("a service account's e-mail address").meta({
  description: 'E-mail address of a service account.',
  examples: ['runner@my-project.iam.gserviceaccount.com'],
});

const credential = z
  .discriminatedUnion(
    'kind',
    [
      settings({
        kind: z
          .literal('adc')
          .describe(
            "Application default credentials: whatever Google's own tools find on this machine (GOOGLE_APPLICATION_CREDENTIALS, then `gcloud auth application-default login`, then the metadata server).",
          ),
      }),
      settings({
        kind: z
          .literal('key-file')
          .describe('A credential file as Google hands it out, such as a service account key.'),
        path: text('a file name').meta({
          description:
            'The file. ~ is your home folder; other paths start at the folder of this configuration.',
          examples: ['~/.var/key.json'],
        }),
      }),
      settings({
        kind: z
          .literal('metadata')
          .describe('A service account of the machine: Compute Engine, GKE, Cloud Run, Cloud Build.'),
        account: text("a service account's e-mail address, or default")
          .meta({ description: 'Which one, where the machine has several.', default: 'default' })
          .optional(),
      }),
      settings({
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
      }),
    ],
    { error: 'a map with a kind: adc, key-file, metadata or impersonate' },
  )
  .meta({ description: 'An identity that asks Google for tokens.' });

const credentials = z
  .record(z.string(), credential, { error: 'a map of names, each with a credential' })
  .meta({
    description:
      'Named identities. Routes use `default` unless they name another; `default` is adc unless it is given here. Secrets are never written here, only where they are.',
    examples: [{ reports: { kind: 'key-file', path: '~/.var/key.json' } }],
  });

const audience = text('the audience as a text').meta({
  description:
    "Whom the ID token is for. Left out, it follows from the upstream: right for *.run.app and *.cloudfunctions.net. A custom domain needs one of the service's custom audiences.",
  examples: ['https://orders-abc123-an.a.run.app'],
});

const scopes = listOf(
  text('a scope such as https://www.googleapis.com/auth/bigquery.readonly'),
  'a list of scopes',
).meta({
  description: 'What the access token may be used for.',
  default: ['https://www.googleapis.com/auth/cloud-platform'],
  examples: [['https://www.googleapis.com/auth/bigquery.readonly']],
});

const token = z
  .union(
    [
      z.enum(['id', 'access', 'none']),
      z.discriminatedUnion('kind', [
        settings({
          kind: z.literal('id').describe('An ID token, for private services.'),
          audience: audience.optional(),
        }),
        settings({
          kind: z.literal('access').describe('An access token, for Google APIs.'),
          scopes: scopes.optional(),
        }),
        settings({ kind: z.literal('none').describe('No token: for public services.') }),
      ]),
    ],
    { error: 'id, access, none, or a map with kind and audience or scopes' },
  )
  .meta({
    description:
      'What is put on each request: an ID token (`id`, for Cloud Run, Cloud Functions, IAP), an access token (`access`, for Google APIs at *.googleapis.com), or nothing (`none`).',
    default: 'id',
    examples: ['id', 'access', { kind: 'id', audience: 'https://orders.example.com' }],
  });

const header = z
  .enum(['auto', 'authorization', 'x-serverless-authorization', 'proxy-authorization'], {
    error: 'auto, authorization, x-serverless-authorization or proxy-authorization',
  })
  .meta({
    description:
      'Which header carries the token. auto: Authorization; but where a client sends an Authorization of its own to a Cloud Run service, that one is kept and the token goes into X-Serverless-Authorization. proxy-authorization is for services behind IAP that need Authorization themselves.',
    default: 'auto',
  });

const duration = z.union([z.string(), z.number().meta({ const: 0 })], {
  error: 'a duration such as 70s, or off',
});

const timeout = z
  .union(
    [
      duration,
      settings({
        connect: duration
          .meta({ description: 'Until a connection stands, TLS included.', default: '5s' })
          .optional(),
        headers: duration
          .meta({
            description:
              'From the end of the request to the head of the response. The default is a little over the longest time Cloud Run lets a request take.',
            default: '61m',
          })
          .optional(),
        idle: duration
          .meta({ description: 'Between two pieces of a body, either way.', default: '61m' })
          .optional(),
      }),
    ],
    { error: 'a duration such as 70s, off, or a map with connect, headers, idle' },
  )
  .meta({
    description:
      'How long to wait for the upstream: a duration (500ms, 70s, 5m, 1h, at most 24h) for the head of the response, or a map. `off` is no limit. None of these limits how long a response may go on.',
    examples: ['70s', { connect: '2s', headers: '5m', idle: 'off' }],
  });

const headers = settings({
  set: z
    .record(z.string(), text('a text (numbers and true or false in quotes)'), {
      error: 'a map of header names and values',
    })
    .describe("Headers to put on each request; the client's own of the same name are replaced.")
    .optional(),
  remove: z
    .array(text('a header name'), { error: 'a list of header names' })
    .describe("Headers of the client that don't go on.")
    .optional(),
}).meta({
  description:
    "Edits to the request on its way to the upstream. Host, Authorization and what belongs to the connection are the proxy's own.",
  examples: [{ set: { 'X-Env': 'local' }, remove: ['Cookie'] }],
});

const route = settings({
  path: text('a path such as /orders')
    .meta({
      description:
        'Requests to this path and everything below it, in whole segments: /orders takes /orders/7 but not /ordersx. Left out, with a host: /.',
      examples: ['/orders'],
    })
    .optional(),
  host: text('a host name such as shop.localhost')
    .meta({
      description:
        'Only requests to this host name, on any port. Browsers find *.localhost on this machine: good for web pages that use absolute links.',
      examples: ['shop.localhost'],
    })
    .optional(),
  upstream: text('a URL such as https://orders-abc123-an.a.run.app').meta({
    description:
      'The service this leads to: an https: URL (http: only on this machine), or emulator:hello, echo, slow, stream or status for one of the embedded services.',
    examples: [
      'https://orders-abc123-an.a.run.app',
      'https://asia-northeast1-my-project.cloudfunctions.net/get_range',
      'emulator:hello',
    ],
  }),
  stripPath: z
    .boolean({ error: 'true or false' })
    .meta({
      description: "Cut the route's path off before the request goes on: /orders/7 arrives as /7.",
      default: true,
    })
    .optional(),
  credentials: text('the name of a credential')
    .meta({ description: 'Which of the credentials asks for the token.', default: 'default' })
    .optional(),
  token: token.optional(),
  header: header.optional(),
  timeout: timeout.optional(),
  headers: headers.optional(),
}).meta({ description: 'One service: what comes in for it, and where it goes.' });

const gate = settings({
  hosts: z
    .array(text('a host name'), { error: 'a list of host names' })
    .meta({
      description:
        "Host names the proxy answers to besides localhost, *.localhost, its own addresses and the routes' hosts. Whole names only.",
      examples: [['proxy.internal']],
    })
    .optional(),
  origins: z
    .array(text('an origin such as https://app.example.com'), { error: 'a list of origins' })
    .meta({
      description: 'Web pages that may call besides those on localhost, as scheme://host[:port].',
      examples: [['https://app.example.com']],
    })
    .optional(),
  allowUnauthenticatedClients: z
    .boolean({ error: 'true or false' })
    .meta({
      description:
        'Lets the proxy listen beyond this machine, where everybody who reaches it calls your services with your identity.',
      default: false,
    })
    .optional(),
}).describe('Who may come in.');

const fileSchema = settings({
  listen: listen.optional(),
  admin: admin.optional(),
  credentials: credentials.optional(),
  routes: listOf(route, 'a list of routes, each with a path or host and an upstream').describe(
    'What is served. Of several routes that fit, one with a host wins, then the one with the longest path.',
  ),
  gate: gate.optional(),
});

/** A configuration file as it is written. */
export type ConfigFile = z.input<typeof fileSchema>;

/** What is wrong with a value's shape, in Zod's terms; empty when it is a `ConfigFile`. */
export function findShapeIssues(value: unknown): readonly z.core.$ZodIssue[] {
  // One file is parsed once: compiling a parser for it takes longer than it saves.
  return fileSchema.safeParse(value, { jitless: true }).error?.issues ?? [];
}

/** The file's shape as JSON Schema (draft-07, which editors know best). */
export function toJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...rest } = z.toJSONSchema(fileSchema, { target: 'draft-7', io: 'input' });
  return {
    $schema,
    $id: 'urn:gcp-bearer-proxy:configuration',
    title: 'gcp-bearer-proxy configuration',
    description: 'Local routes to private Google Cloud services, and the identities that call them.',
    ...rest,
  };
}
