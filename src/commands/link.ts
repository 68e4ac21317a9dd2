import { compileClientSecret, makeLaunch } from '../client-secrets.ts';
import { systemClock } from '../clock.ts';
import { isUnixAddress } from '../config/address.ts';
import type { Config, ListenerConfig, SecretSource } from '../config/config.ts';
import { type ConfigFlags, resolveConfig } from '../config/resolve.ts';
import { ProxyError } from '../errors.ts';
import { findOrigins, makeSignInLink } from '../sign-in-link.ts';
import type { Io } from './io.ts';
import { chooseRoutes, splitPositionals } from './route-arguments.ts';

export interface LinkOptions {
  readonly flags: ConfigFlags;
  /** Names of configured routes; or routes to make, as for `start`. */
  readonly positionals: readonly string[];
}

/**
 * Prints links that sign browsers in, one for each host that is served. They are made from the client secret alone: the running
 * proxy isn't asked.
 * @returns the exit code
 * @throws ProxyError `usage` where there is nothing to sign in to, or its port isn't known; or as `resolveConfig`
 */
export async function runLink({ flags, positionals }: LinkOptions, io: Io): Promise<number> {
  const { names, definitions } = splitPositionals(positionals, 'link');
  const config = await resolveConfig({ flags, positionals: definitions, env: io.env, cwd: io.cwd });
  const routes = chooseRoutes(config, names);
  for (const listener of findSignInListeners(config)) {
    const secret = await compileClientSecret(listener.clientSecret, io.env, makeLaunch());
    for (const origin of findOrigins(listener, routes, config.gate)) {
      io.stdout.write(`${makeSignInLink(secret, origin, systemClock.now().wallMs)}\n`);
    }
  }
  io.stderr.write('Each link signs one browser in, once, within ten minutes.\n');
  return 0;
}

type SecretListener = ListenerConfig & { readonly clientSecret: SecretSource };

function findSignInListeners({ listen }: Config): readonly SecretListener[] {
  const secret = listen.filter((listener): listener is SecretListener => listener.clientSecret !== undefined);
  if (secret.length === 0) {
    throw new ProxyError('usage', 'No listener has a client secret, so nobody has to sign in.', {
      hint: 'Write `listen: { address: localhost:8080, clientSecret: env:NAME }`, or set GBP_CLIENT_SECRET, for the proxy as well.',
    });
  }
  const onPorts = secret.filter(({ address }) => !isUnixAddress(address));
  if (onPorts.length === 0) {
    throw new ProxyError(
      'usage',
      'Browsers open no unix sockets, and no other listener has a client secret.',
      {
        hint: 'Programs send it: Proxy-Authorization: Bearer SECRET',
      },
    );
  }
  if (onPorts.some(({ address }) => 'port' in address && address.port === 0)) {
    throw new ProxyError('usage', 'The proxy listens on any free port, and only it knows which.', {
      hint: 'Name the one it took, such as --port 8080; or give it a fixed one.',
    });
  }
  return onPorts;
}
