/** The shape of what is listened on. */
import { address, listOf, settings, text, z } from './schema-parts.ts';

const listener = settings({
  address: address.meta({
    description: 'host:port, a port, or unix:FILE.',
    examples: ['localhost:8443', 'unix:~/proxy.sock'],
  }),
  clientSecret: text('env:NAME or file:/path')
    .meta({
      description:
        'Where the secret is that clients of this listener have to send: env:NAME or file:/path, at least 16 characters. As Proxy-Authorization or Authorization, Bearer or as the password of Basic; browsers sign in by a link of `gcp-bearer-proxy link`.',
      examples: ['env:PROXY_SECRET'],
    })
    .optional(),
  mode: text('octal digits in quotes such as "0660"')
    .meta({
      description:
        'Who may connect to a unix socket, as the mode of its file. Everybody only together with clientSecret.',
      default: '0600',
      examples: ['0660'],
    })
    .optional(),
  tls: settings({
    cert: text('a file name').meta({
      description:
        'The certificate for the names clients use (PEM), with what it was signed by. ~ is your home folder; other paths start at the folder of this configuration.',
      examples: ['localhost.pem'],
    }),
    key: text('a file name').meta({
      description: 'The private key of the certificate (PEM).',
      examples: ['localhost-key.pem'],
    }),
    clientCa: text('a file name')
      .meta({
        description:
          'Mutual TLS: only clients with a certificate that one of these (PEM) has signed get past the handshake.',
        examples: ['clients-ca.pem'],
      })
      .optional(),
  })
    .describe('Speak TLS here: HTTP/1.1 and HTTP/2, whichever the client picks.')
    .optional(),
});

const LISTENER = 'an address such as localhost:8080, a port, or a map with an address';

export const listen = z
  .union(
    [address, listener, listOf(z.union([address, listener], { error: LISTENER }), 'a list of addresses')],
    {
      error: 'an address such as localhost:8080, a port, a map with an address, or a list of those',
    },
  )
  .meta({
    description:
      'Where the proxy listens: host:port, a port, unix:FILE for a unix socket, a map with an address, a certificate and a client secret, or a list of them. Port 0 is any free port. localhost is both 127.0.0.1 and [::1], and so is an address without a host. Beyond this machine only with clientSecret, tls.clientCa or gate.allowUnauthenticatedClients.',
    default: 'localhost:8080',
    examples: [
      'localhost:8080',
      8080,
      ['127.0.0.1:8080', 'unix:/tmp/proxy.sock'],
      { address: 'localhost:8443', tls: { cert: 'localhost.pem', key: 'localhost-key.pem' } },
      { address: '0.0.0.0:8080', clientSecret: 'env:PROXY_SECRET' },
    ],
  });
