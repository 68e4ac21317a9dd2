import { toUpstreamError } from '../relay/upstream/failure.ts';
import { type ConnectionFacts, codeOf, type DnsFacts } from './network-probe.ts';
import { type Examined, failed, ok, skipped, warning } from './result.ts';
import { formatSpan } from './span.ts';

/** A certificate that ends sooner is worth a word: it is not renewed by itself. */
const ENDS_SOON_MS = 7 * 86_400_000;

const NO_TLS = {
  message: 'answers in something other than TLS',
  hint: 'Is the port right? An upstream on this machine may be http:.',
};
const TRUST =
  'Name the certificate of its authority: caFile: FILE in the configuration. If you know of no such authority, trust nobody here.';

/** What Node and OpenSSL say of TLS, in words. */
const TLS_FAULTS: Readonly<Record<string, { readonly message: string; readonly hint: string }>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  EPROTO: NO_TLS,
  CERT_HAS_EXPIRED: {
    message: 'has a certificate that has expired',
    hint: 'Renew it; or, if it is good still, set the clock of this machine.',
  },
  CERT_NOT_YET_VALID: {
    message: 'has a certificate that is not valid yet',
    hint: 'Set the clock of this machine.',
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    message: 'has a certificate for other names',
    hint: 'Write the upstream with the name that its certificate is for.',
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: { message: 'has a certificate that it signed itself', hint: TRUST },
  SELF_SIGNED_CERT_IN_CHAIN: {
    message: 'has a certificate by an authority that this machine does not trust',
    hint: TRUST,
  },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: {
    message: 'has a certificate by an authority that this machine does not know',
    hint: TRUST,
  },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    message: 'has a certificate by an authority that this machine does not know',
    hint: TRUST,
  },
};

/** Whether the name leads anywhere. */
export function examineDns(facts: DnsFacts, { hostname }: URL): Examined {
  switch (facts.kind) {
    case 'literal':
      return skipped(`${hostname} is an address.`);
    case 'resolved':
      return ok(`${hostname} is ${facts.addresses.join(', ')}, found in ${formatSpan(facts.durationMs)}.`);
    case 'failed':
      return facts.code === 'ENOTFOUND'
        ? failed(
            `No name server knows ${hostname}.`,
            'Is the upstream spelt right? gcloud run services list shows the addresses.',
          )
        : failed(
            `The name ${hostname} could not be looked up (${facts.code}).`,
            'Check the network of this machine.',
          );
  }
}

export interface ConnectionContext {
  readonly origin: URL;
  readonly forwardProxy: URL | undefined;
  /** The local clock, in epoch ms. */
  readonly nowMs: number;
}

/** Whether it accepts connections, and shows a good certificate. */
export function examineConnection(facts: ConnectionFacts, context: ConnectionContext): Examined {
  if (facts.kind === 'failed') return examineFailure(facts.cause, context);
  const { forwardProxy, nowMs } = context;
  const span = `${formatSpan(facts.durationMs)}${forwardProxy === undefined ? '' : ` through ${forwardProxy.host}`}`;
  const { tls } = facts;
  if (tls === undefined) return ok(`Connected in ${span}, without TLS, as it stays on this machine.`);
  const { version, issuer, validUntilMs } = tls;
  if (Number.isNaN(validUntilMs)) return ok(`${version} in ${span}; certificate by ${issuer}.`);
  const until = new Date(validUntilMs).toISOString().slice(0, 10);
  const message = `${version} in ${span}; certificate by ${issuer}, good until ${until}.`;
  return validUntilMs - nowMs < ENDS_SOON_MS ? warning(message, 'Renew the certificate.') : ok(message);
}

function examineFailure(cause: unknown, { origin, forwardProxy }: ConnectionContext): Examined {
  const code = codeOf(cause);
  const fault = Object.hasOwn(TLS_FAULTS, code) ? TLS_FAULTS[code] : undefined;
  if (fault !== undefined) return failed(`${origin.origin} ${fault.message} (${code}).`, fault.hint);
  const { message, hint } = toUpstreamError(cause, origin.origin, forwardProxy);
  return failed(message, hint ?? 'Is the service up, and does a firewall let this machine out?');
}
