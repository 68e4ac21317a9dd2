import { createRandom, type Random } from '../faults/random.ts';
import { GUEST_ROUTE, STAGE_ROUTES, type StageRoute } from './stage-routes.ts';

/** Where upstreams are. */
export type Origins = Readonly<Record<StageRoute['upstream'], string>>;

/** A configuration of the proxy. */
export interface Version {
  readonly number: number;
  readonly yaml: string;
  /** A host name that only this one lets in: it is in force when the proxy says so. */
  readonly mark: string;
  readonly hasGuest: boolean;
  /** Why it can't be put in force. */
  readonly mistake: string | undefined;
}

interface Settings {
  readonly hasGuest: boolean;
  readonly guestBody: string;
  readonly requests: number;
  /** By route. A route with another one gets other connections. */
  readonly connect: Readonly<Record<string, string>>;
}

/** What is in force while nothing else is asked for. */
const USUAL: Settings = { hasGuest: false, guestBody: '1MiB', requests: 2_000, connect: {} };

/** Ways to make a configuration that the proxy can't use. */
const MISTAKES: Readonly<Record<string, (yaml: string) => string>> = {
  'a mistyped key': (yaml) => yaml.replace('upstream:', 'upstraem:'),
  'no YAML': (yaml) => yaml.replace('routes:', 'routes: ['),
  'credentials that are not there': (yaml) => yaml.replace('credentials: machine', 'credentials: nobody'),
  'another port, which takes a restart': (yaml) => yaml.replace('127.0.0.1:0', '127.0.0.1:1'),
  'an upstream in clear text elsewhere': (yaml) =>
    yaml.replace(/upstream: "https:[^"]*"/, 'upstream: "http://elsewhere.soak.test"'),
  'a certificate that is not there': (yaml) => yaml.replace('cert.pem', 'gone.pem'),
};

/** Makes configurations, each with the usual routes, and no two the same. */
export class Versions {
  readonly #origins: Origins;
  readonly #random: Random;
  #last = 0;

  constructor(origins: Origins, seed: number) {
    this.#origins = origins;
    this.#random = createRandom(seed);
  }

  usual(): Version {
    return this.#make(USUAL);
  }

  /** Any valid one. */
  draw(): Version {
    const random = this.#random;
    return this.#make({
      hasGuest: random.next() < 0.5,
      guestBody: random.pick(['1MiB', '2MiB', '300KiB']),
      requests: random.between(2_000, 4_000),
      connect: Object.fromEntries(
        STAGE_ROUTES.flatMap(({ name }) =>
          random.next() < 0.2 ? [[name, random.pick(['70s', '80s'])]] : [],
        ),
      ),
    });
  }

  /** One with a mistake in it. */
  drawMistaken(): Version {
    const version = this.draw();
    const [mistake = '', spoil] = this.#random.pick(Object.entries(MISTAKES));
    return { ...version, mistake, yaml: spoil?.(version.yaml) ?? '' };
  }

  #make(settings: Settings): Version {
    this.#last += 1;
    const mark = `version-${this.#last}.soak.test`;
    const { hasGuest } = settings;
    return {
      number: this.#last,
      mark,
      hasGuest,
      mistake: undefined,
      yaml: toYaml(settings, mark, this.#origins),
    };
  }
}

function toYaml(
  { hasGuest, guestBody, requests, connect }: Settings,
  mark: string,
  origins: Origins,
): string {
  const toLine = ({ name, credentials, audience, upstream }: StageRoute, more = ''): string => {
    const token = audience === undefined ? '{ kind: access }' : `{ kind: id, audience: "${audience}" }`;
    const protocol = upstream === 'http2' ? ', protocol: http2' : '';
    const timeout = `timeout: { connect: ${connect[name] ?? '60s'} }`;
    const rest = `upstream: "${origins[upstream]}", credentials: ${credentials}, token: ${token}, ${timeout}`;
    return `  - { path: /${name}, stripPath: false, ${rest}${protocol}${more} }\n`;
  };
  const routes = STAGE_ROUTES.map((route) => toLine(route)).join('');
  const guest = hasGuest ? toLine(GUEST_ROUTE, `, limits: { body: ${guestBody}, rate: 1000/s }`) : '';
  return `listen:
  - 127.0.0.1:0
  - { address: "127.0.0.1:0", tls: { cert: cert.pem, key: key.pem } }
caFile: ca.pem
gate: { hosts: [${mark}] }
limits: { requests: ${requests} }
# What takes a fifth of a second on this machine is six of the proxy's.
tokenTimeout: 60s
log: { level: info, format: json, sample: 0.001, slow: off }
credentials:
  default: { kind: adc }
  key: { kind: key-file, path: service-account.json }
  machine: { kind: metadata }
  federated: { kind: federated, path: federated.json }
routes:
${routes}${guest}`;
}
