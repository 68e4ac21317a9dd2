/** A relay with an upstream that answers `fine`, to be run with few file descriptors: says its address. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSignIns } from '../../../src/gate/sign-ins.ts';
import { listen } from '../../../src/relay/client/listen.ts';
import { createLoad } from '../../../src/relay/load.ts';
import { createTransport } from '../../../src/relay/upstream/transport.ts';
import { route, site } from '../sites.ts';

const upstream = createServer((_request, response) => response.end('fine'));
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
const transport = createTransport({ origin, connectTimeoutMs: 1_000 });
const compiled = site(route({ transport, upstreamOrigin: origin }));
const listener = await listen([{ address: { host: '127.0.0.1', port: 0 }, tls: undefined }], {
  maxConnections: 10_000,
  context: {
    site: () => compiled,
    observer: undefined,
    load: createLoad(10_000),
    signIns: createSignIns(0),
    isDraining: () => false,
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
  },
});
const address = listener.addresses[0]?.address;
if (address === undefined || !('port' in address)) throw new Error('it listens on a port');
console.log(`http://127.0.0.1:${address.port}`);
