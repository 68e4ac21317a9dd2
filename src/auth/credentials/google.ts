import { isProxyError, ProxyError } from '../../errors.ts';
import { type Advice, type MintFailure, toMintError } from '../failure.ts';
import type { MintedToken, TokenRequest } from '../token-source.ts';
import { type Actor, type ActorOrder, askActor, type MintSession, requireToken } from './actor.ts';
import { createKeyActor, createLoginActor, createMachineActor, createWorkforceLoginActor } from './actors.ts';
import {
  type CredentialFile,
  checkUniverse,
  parseImpersonatedFile,
  parseLoopbackUrl,
} from './credential-file.ts';
import { type Federation, parseFederation } from './federation.ts';
import { createImpersonatedActor, type SourceToken } from './impersonation.ts';
import { CLOUD_PLATFORM, type KindContext } from './kind.ts';
import { createTransporter, gcpMetadata } from './library.ts';
import { connectFederated, createFederatedActor, type FederatedOptions } from './token-exchange.ts';
import { runWithTraffic, Traffic } from './traffic.ts';

const FOR_IAM: TokenRequest = { kind: 'access', scopes: [CLOUD_PLATFORM] };

/** One mint: what is asked for, and what the kind of credential has to say about it. */
export interface MintOrder extends ActorOrder {
  /** Says who asks. */
  readonly connect: (exchange: GoogleExchange) => Actor | Promise<Actor>;
  /** What to do about a failure. */
  readonly advise: (failure: MintFailure) => Advice | undefined;
}

/**
 * Has google-auth-library mint a token, with a client that lives as long: nothing is kept, so a new login is noticed.
 * @throws ProxyError as `Credential.mint`
 */
export async function mintByGoogle(order: MintOrder): Promise<MintedToken> {
  const { request, credential, context, connect, advise } = order;
  const session = startSession(order);
  try {
    return await runWithTraffic(session.traffic, async () =>
      askActor(await connect(new GoogleExchange(session)), order, session.traffic),
    );
  } catch (thrown) {
    if (isProxyError(thrown)) throw thrown;
    throw toMintError(thrown, { request, credential, advise, localNowMs: context.clock.now().wallMs });
  }
}

/** Says who asks, in one mint. */
export class GoogleExchange {
  readonly #session: MintSession;

  constructor(session: MintSession) {
    this.#session = session;
  }

  /**
   * The identity in a credential file. `origin` names the file in messages.
   * @throws ProxyError `credentials_invalid` for a file that can't be used, or that is of another universe
   */
  fromFile(file: CredentialFile, origin: string): Actor {
    return createFileActor(this.#session, file, origin);
  }

  /** A service account that the holder of an access token may act as. */
  fromImpersonation(account: string, delegates: readonly string[], accessToken: string): Actor {
    const fetchSource = async (): Promise<SourceToken> => ({ value: accessToken });
    return createImpersonatedActor(this.#session, { account, delegates, fetchSource });
  }

  /** A workload elsewhere. */
  fromFederation(options: FederatedOptions): Actor {
    return createFederatedActor(this.#session, options);
  }

  /** An account of the machine this runs on: an e-mail address, or `default`. */
  fromMetadata(account: string): Promise<Actor> {
    return createMachineActor(this.#session, account);
  }
}

/** Whether this is a machine of Google Cloud, by what it says of itself: nobody is asked. */
export function isOnGoogleCloud(): boolean {
  return gcpMetadata.getGCPResidency();
}

/** The project of the machine this runs on. */
export async function findMetadataProject(context: KindContext): Promise<string | undefined> {
  const ask = async (): Promise<unknown> => gcpMetadata.project('project-id');
  const project = await runWithTraffic(new Traffic(context), ask).catch(() => undefined);
  return typeof project === 'string' ? project : undefined;
}

/** The project that a federated identity's pool is in; undefined where it may not know. */
export async function findPoolProject(
  federation: Federation,
  context: KindContext,
): Promise<string | undefined> {
  const session = startSession({ request: FOR_IAM, credential: 'a federated identity', context });
  const ask = async (): Promise<string | null> => {
    const client = await connectFederated(session, { federation, account: undefined }, [CLOUD_PLATFORM]);
    return client.getProjectId();
  };
  return (await runWithTraffic(session.traffic, ask).catch(() => undefined)) ?? undefined;
}

function startSession(order: ActorOrder): MintSession {
  const { context } = order;
  return { order, traffic: new Traffic(context), transporter: createTransporter(context) };
}

function createFileActor(session: MintSession, file: CredentialFile, origin: string): Actor {
  const { universeDomain } = session.order.context;
  checkUniverse(file, origin, universeDomain);
  const tokenUrl = parseLoopbackUrl(file, 'token_uri', origin, universeDomain);
  if (tokenUrl !== undefined) session.traffic.redirectTokens(tokenUrl);
  switch (file.type) {
    case 'service_account':
      return createKeyActor(session, file, origin);
    case 'authorized_user':
      return createLoginActor(session, file);
    case 'impersonated_service_account':
      return createImpersonatedFileActor(session, file, origin);
    case 'external_account': {
      const federation = parseFederation(file, origin, universeDomain);
      return createFederatedActor(session, { federation, account: federation.account });
    }
    case 'external_account_authorized_user':
      return createWorkforceLoginActor(session, file, origin);
    default:
      throw toTypeError(file.type, origin);
  }
}

function createImpersonatedFileActor(session: MintSession, file: CredentialFile, origin: string): Actor {
  const { universeDomain } = session.order.context;
  const { source, ...target } = parseImpersonatedFile(file, origin, universeDomain);
  const asSource = { ...session, order: { ...session.order, request: FOR_IAM } };
  const sourceActor = createFileActor(asSource, source, origin);
  return createImpersonatedActor(session, {
    ...target,
    fetchSource: async () => requireToken(session.order, await sourceActor.fetchAccessToken()),
    sourceQuotaProject: sourceActor.quotaProject,
  });
}

function toTypeError(type: unknown, origin: string): ProxyError {
  if (typeof type !== 'string')
    return new ProxyError('credentials_invalid', `"type" in ${origin} is missing.`);
  const message =
    type === 'gdch_service_account'
      ? `The identity in ${origin} is one of Google Distributed Cloud, which gets no tokens from Google.`
      : `The "type" of ${origin} is not known.`;
  return new ProxyError('credentials_invalid', message, {
    hint: 'Use a service account key, `gcloud auth application-default login`, or workload identity federation.',
  });
}
