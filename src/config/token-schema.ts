/** The shape of a route's `token`. */
import { listOf, settings, text, z } from './schema-parts.ts';

const idToken = settings({
  kind: z.literal('id').describe('An ID token, for private services.'),
  audience: text('the audience as a text')
    .meta({
      description:
        "Whom the ID token is for. Left out, it follows from the upstream: right for *.run.app and *.cloudfunctions.net. A custom domain needs one of the service's custom audiences, a service behind IAP its OAuth client's id.",
      examples: ['https://orders-abc123-an.a.run.app', '1234-abc.apps.googleusercontent.com'],
    })
    .optional(),
});

const accessToken = settings({
  kind: z.literal('access').describe('An access token, for Google APIs.'),
  scopes: listOf(
    text('a scope such as https://www.googleapis.com/auth/bigquery.readonly'),
    'a list of scopes',
  )
    .meta({
      description: 'What the access token may be used for.',
      default: ['https://www.googleapis.com/auth/cloud-platform'],
      examples: [['https://www.googleapis.com/auth/bigquery.readonly']],
    })
    .optional(),
  quotaProject: text("a project's id as a text")
    .meta({
      description:
        'The project to bill, sent as x-goog-user-project; over what the credential says. Needs roles/serviceusage.serviceUsageConsumer on it.',
      examples: ['my-project'],
    })
    .optional(),
});

const jwt = settings({
  kind: z
    .literal('jwt')
    .describe('A JWT that the service account signs itself, for services behind IAP that want one.'),
  audience: text('the URL that the JWT is for').meta({
    description: 'Whom it is for: the URL that is called, where * at the end stands for anything.',
    examples: ['https://app.example.com/*'],
  }),
});

const noToken = settings({ kind: z.literal('none').describe('No token: for public services.') });

export const token = z
  .union(
    [z.enum(['id', 'access', 'none']), z.discriminatedUnion('kind', [idToken, accessToken, jwt, noToken])],
    { error: 'id, access, none, or a map such as { kind: id, audience: … }' },
  )
  .meta({
    description:
      'What is put on each request: an ID token (`id`, for Cloud Run, Cloud Functions, IAP), an access token (`access`, for Google APIs at *.googleapis.com), a self-signed JWT (`jwt`, with an audience), or nothing (`none`).',
    default: 'id',
    examples: ['id', 'access', { kind: 'id', audience: 'https://orders.example.com' }],
  });
