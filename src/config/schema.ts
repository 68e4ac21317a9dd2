/**
 * The shape of a configuration file, once: types, editor help and JSON Schema all come from here. What values mean, and
 * what they may be beyond their type, is checked where they are read (`upstream.ts`, `duration.ts` and so on).
 */
import { credentials } from './credential-schema.ts';
import { listOf, settings, text, z } from './schema-parts.ts';
import { token } from './token-schema.ts';

export { EMULATED_SERVICES } from './upstream.ts';

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

const header = z
  .enum(['auto', 'authorization', 'x-serverless-authorization', 'proxy-authorization'], {
    error: 'auto, authorization, x-serverless-authorization or proxy-authorization',
  })
  .meta({
    description:
      'Which header carries the token. auto: Authorization; but where a client sends an Authorization of its own, that one is kept and the token goes into the other header the service looks at: X-Serverless-Authorization for Cloud Run, Proxy-Authorization for IAP.',
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
  caFile: text('a file name')
    .meta({
      description:
        "Certificates (PEM) trusted besides Node's own, for upstreams and Google alike: that of a network that inspects TLS, or a private authority. ~ is your home folder; other paths start at the folder of this configuration.",
      examples: ['~/corp-root.pem'],
    })
    .optional(),
  tokenTimeout: text('a duration such as 5s')
    .meta({ description: 'Longest wait for a token, at most 60s.', default: '5s' })
    .optional(),
  universeDomain: text('a domain')
    .meta({
      description:
        'The domain of a Trusted Partner Cloud. Credential files of another universe are refused. Left out: GOOGLE_CLOUD_UNIVERSE_DOMAIN of the environment.',
      default: 'googleapis.com',
      examples: ['apis-tpczero.goog'],
    })
    .optional(),
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
