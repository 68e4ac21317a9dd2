/** The shape of one route. */
import { listOf, settings, text, z } from './schema-parts.ts';
import { token } from './token-schema.ts';

const methods = listOf(text('a method such as GET'), 'a list of methods such as [GET, HEAD]').meta({
  description: 'The only methods that pass; others are refused with 403. Left out: all of them.',
  examples: [['GET', 'HEAD', 'POST']],
});

const readOnly = z.boolean({ error: 'true or false' }).meta({
  description:
    'Only GET, HEAD and OPTIONS pass, and no WebSocket: what a service that keeps to the rules changes nothing for. gRPC has only POST, so none of it passes.',
  default: false,
});

const paths = listOf(text('a path such as /v1/**'), 'a list of paths such as [/healthz, /v1/**]').meta({
  description:
    "The only paths that pass, behind the route's own; others are refused with 403. * is one whole segment, ** at the end everything below. They are compared decoded and in their case, and what could be read in two ways is refused. Left out: all of them.",
  examples: [['/healthz', '/v1/**', '/users/*/avatar']],
});

const limits = settings({
  body: z
    .union([z.string(), z.int()], { error: 'a size such as 32MiB' })
    .meta({
      description: 'Largest body of a request (64KiB, 32MiB, 10MB); a larger one is refused with 413.',
      examples: ['32MiB'],
    })
    .optional(),
  rate: text('a rate such as 100/s')
    .meta({
      description:
        'Most requests in a time (100/s, 600/min, 5000/h), which may all come at once; those beyond are refused with 429.',
      examples: ['100/s', '5000/h'],
    })
    .optional(),
}).meta({ description: 'How much passes. Left out: as much as comes.', examples: [{ body: '10MiB' }] });

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

const protocol = z.enum(['auto', 'http1', 'http2'], { error: 'auto, http1 or http2' }).meta({
  description:
    'What is spoken with the upstream. auto: HTTP/2 for gRPC and what else needs it, HTTP/1.1 for the rest. WebSocket goes over HTTP/1.1 whatever is said here.',
  default: 'auto',
});

const localize = z
  .union(
    [
      z.boolean(),
      settings({
        redirects: z
          .boolean({ error: 'true or false' })
          .meta({
            description:
              "Addresses of this route's upstream, and of the other routes', in Location, Content-Location, Refresh and Link become those of the route here.",
            default: true,
          })
          .optional(),
        cookies: z
          .boolean({ error: 'true or false' })
          .meta({
            description:
              "Set-Cookie loses its Domain, its Path becomes the route's, and Secure, SameSite=None and the name prefixes __Host- and __Secure- are made to work on http://localhost, and undone on the way back.",
            default: true,
          })
          .optional(),
      }),
    ],
    { error: 'true, false, or a map with redirects, cookies' },
  )
  .meta({
    description:
      'Makes redirects and cookies of the upstream lead back here, not past the proxy: true, false, or one of the two.',
    default: true,
    examples: [false, { redirects: true, cookies: false }],
  });

const origin = z.enum(['keep', 'upstream'], { error: 'keep or upstream' }).meta({
  description:
    "What the upstream sees in Origin and Referer. keep: what the client sent. upstream: the upstream's own origin, for applications that refuse forms and requests from another site, as Django and the development servers of web frameworks do.",
  default: 'keep',
});

const forwarded = z
  .enum(['x-forwarded', 'forwarded', 'both', 'none'], { error: 'x-forwarded, forwarded, both or none' })
  .meta({
    description:
      'Which headers tell the upstream where the client came from. x-forwarded: X-Forwarded-For, -Host, -Proto and -Prefix. forwarded: Forwarded (RFC 7239).',
    default: 'x-forwarded',
  });

export const route = settings({
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
  methods: methods.optional(),
  readOnly: readOnly.optional(),
  paths: paths.optional(),
  limits: limits.optional(),
  header: header.optional(),
  timeout: timeout.optional(),
  headers: headers.optional(),
  protocol: protocol.optional(),
  localize: localize.optional(),
  origin: origin.optional(),
  forwarded: forwarded.optional(),
  retry: z
    .boolean({ error: 'true or false' })
    .meta({
      description:
        "Send a request again where that can't make it happen twice: the connection never stood, the upstream said it did nothing with it, or a connection kept from before turned out closed and the method is idempotent.",
      default: true,
    })
    .optional(),
}).meta({ description: 'One service: what comes in for it, and where it goes.' });
