/** The shape of what is listened on. */
import { address, listOf, settings, text, z } from './schema-parts.ts';

const listener = settings({
  address: address.meta({
    description: 'host:port, a port, or unix:FILE.',
    examples: ['localhost:8443', 'unix:~/proxy.sock'],
  }),
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
  })
    .describe('Speak TLS here: HTTP/1.1 and HTTP/2, whichever the client picks.')
    .optional(),
});

const LISTENER = 'an address such as localhost:8080, a port, or a map with address and tls';

export const listen = z
  .union(
    [address, listener, listOf(z.union([address, listener], { error: LISTENER }), 'a list of addresses')],
    {
      error: 'an address such as localhost:8080, a port, a map with address and tls, or a list of those',
    },
  )
  .meta({
    description:
      'Where the proxy listens: host:port, a port, unix:FILE for a unix socket, a map with an address and a certificate, or a list of them. Port 0 is any free port. localhost is both 127.0.0.1 and [::1], and so is an address without a host. Beyond this machine only with gate.allowUnauthenticatedClients.',
    default: 'localhost:8080',
    examples: [
      'localhost:8080',
      8080,
      ['127.0.0.1:8080', 'unix:/tmp/proxy.sock'],
      { address: 'localhost:8443', tls: { cert: 'localhost.pem', key: 'localhost-key.pem' } },
    ],
  });
