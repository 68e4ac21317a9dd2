/**
 * The shape of a configuration file, once: types, editor help and JSON Schema all come from here. What values mean, and
 * what they may be beyond their type, is checked where they are read (`upstream.ts`, `duration.ts` and so on).
 */
import { credentials } from './credential-schema.ts';
import { listen } from './listen-schema.ts';
import { DEFAULT_SLOW, LOG_FORMATS, LOG_LEVELS } from './log.ts';
import { route } from './route-schema.ts';
import { address, listOf, settings, text, z } from './schema-parts.ts';

export { EMULATED_SERVICES } from './upstream.ts';

const ADMIN_DEFAULT = '127.0.0.1:9901';

const adminMap = settings({
  address: address
    .meta({ description: 'host:port, or a port.', default: ADMIN_DEFAULT, examples: [ADMIN_DEFAULT] })
    .optional(),
  tokenFile: text('a file name')
    .meta({
      description:
        'Each launch writes a random token there, for this user alone to read, and removes it at its end: who sends it may change the state of the proxy (POST /quit). Left out: nobody may. ~ is your home folder; other paths start at the folder of this configuration.',
      examples: ['/run/gcp-bearer-proxy/admin.token'],
    })
    .optional(),
});

const admin = z
  .union([z.literal(false), address, adminMap], {
    error: 'an address such as 127.0.0.1:9901, a port, a map with address and tokenFile, or false',
  })
  .meta({
    description:
      'Where the state of the proxy is told (/livez, /readyz, /metrics) and changed; false for nowhere. Left out: 127.0.0.1:9901, or a free port if that one is taken.',
    default: ADMIN_DEFAULT,
    examples: [ADMIN_DEFAULT, false, { address: ADMIN_DEFAULT, tokenFile: 'admin.token' }],
  });

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
        'Lets the proxy listen beyond this machine without a client secret or mutual TLS: everybody who reaches it calls your services with your identity.',
      default: false,
    })
    .optional(),
}).describe('Who may come in.');

const WHOLE_NUMBER = 'a whole number from 1 to 1000000';
const limit = (description: string, most: number) =>
  z
    .int({ error: WHOLE_NUMBER })
    .min(1, { error: WHOLE_NUMBER })
    .max(1_000_000, { error: WHOLE_NUMBER })
    .meta({ description, default: most })
    .optional();

const limits = settings({
  connections: limit('Most connections of clients at once.', 8_192),
  requests: limit('Most requests in flight at once, open WebSockets among them.', 4_096),
}).describe('How much may be at work at once. What comes on top is refused at once, with 503.');

const log = settings({
  format: z
    .enum(LOG_FORMATS, { error: 'json, pretty or google' })
    .meta({
      description:
        'json; pretty, a readable line for people; google, JSON with the names that Cloud Logging knows. Left out: pretty on a terminal, else json.',
    })
    .optional(),
  level: z
    .enum(LOG_LEVELS, { error: 'info, warn or error' })
    .meta({
      description: 'The least that has a line. Requests are info, or warn where they failed.',
      default: 'info',
    })
    .optional(),
  sample: z
    .union([z.number().meta({ minimum: 0, maximum: 1 }), z.string()], { error: 'a share such as 0.1 or 10%' })
    .meta({
      description:
        'Share of the requests that went well that have a line, from 0 to 1. Those that failed, were refused by Google or were slow always do.',
      default: 1,
      examples: [0.1, '1%'],
    })
    .optional(),
  slow: text('a duration such as 5s')
    .meta({
      description: 'From when on a request is slow, by the time to the head of its answer; off for never.',
      default: DEFAULT_SLOW,
    })
    .optional(),
}).describe('What the log says, and how.');

const fileSchema = settings({
  listen: listen.optional(),
  admin: admin.optional(),
  credentials: credentials.optional(),
  routes: listOf(route, 'a list of routes, each with a path or host and an upstream').describe(
    'What is served. Of several routes that fit, one with a host wins, then the one with the longest path.',
  ),
  gate: gate.optional(),
  limits: limits.optional(),
  log: log.optional(),
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
