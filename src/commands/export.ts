import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { findSpareHeader, toTokenRequest } from '../assemble.ts';
import type { ListenAddress, RouteConfig } from '../config/config.ts';
import { type ConfigFlags, resolveConfig } from '../config/resolve.ts';
import { ProxyError } from '../errors.ts';
import { toEnvoy } from '../export/envoy.ts';
import type { ExportedRoute } from '../export/input.ts';
import { formatRemark, toHeadComment } from '../export/remarks.ts';
import { toYamlText } from '../export/yaml-text.ts';
import type { Io } from './io.ts';

export interface ExportCommandOptions {
  readonly flags: ConfigFlags;
  /** Routes of the command line; with any, no file is read. */
  readonly positionals: readonly string[];
  /** JSON, which has no comments, in place of YAML. */
  readonly json: boolean;
  /** Write nothing, and fail, where not everything can be carried over. */
  readonly strict: boolean;
  /** `HOST:PORT` of the metadata server; Google's if left out. */
  readonly metadataAddress: string | undefined;
  /** File of the certificates that upstreams' have to be signed by, on Envoy's machine; Debian's if left out. */
  readonly caBundle: string | undefined;
  /** File to write to; stdout if left out. */
  readonly output: string | undefined;
}

const METADATA: ListenAddress = { host: 'metadata.google.internal', port: 80 };
const CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

/**
 * Writes a configuration as one for Envoy, and says on stderr what of it isn't in there.
 * @returns the exit code: 0, or 3 for `strict` and something that can't be carried over
 * @throws ProxyError `config_invalid`, `config_not_found`, `usage`
 */
export async function runExport(options: ExportCommandOptions, io: Io): Promise<number> {
  const { flags, positionals, json, strict, caBundle = CA_BUNDLE } = options;
  const config = await resolveConfig({ flags, positionals, env: io.env, cwd: io.cwd });
  const metadata = parseMetadataAddress(options.metadataAddress);
  const say = (line: string): unknown => io.stderr.write(`${line}\n`);
  const routes = config.routes.map((route) =>
    toExported(route, ({ route: name, message }) => say(`Warning: ${name}: ${message}`)),
  );
  const { bootstrap, remarks } = toEnvoy(config, routes, { metadata, caBundle });
  for (const remark of remarks)
    say(`${remark.kind === 'left-out' ? 'Not carried over' : 'Different'}: ${formatRemark(remark)}`);
  const lost = remarks.filter(({ kind }) => kind === 'left-out').length;
  if (strict && lost > 0) {
    say(
      `Nothing was written: ${lost === 1 ? 'one thing' : `${lost} things`} can't be carried over, and --strict was given.`,
    );
    return 3;
  }
  const text = json
    ? `${JSON.stringify(bootstrap, undefined, 2)}\n`
    : toHeadComment(remarks, config.source) + toYamlText(bootstrap);
  await write(text, options.output, io);
  return 0;
}

function toExported(
  route: RouteConfig,
  warn: (warning: { readonly route?: string | undefined; readonly message: string }) => void,
): ExportedRoute {
  // What is emulated has no address, and isn't carried over.
  if (route.upstream.kind === 'emulator') return { config: route, token: undefined, spareHeader: undefined };
  const { origin } = route.upstream;
  const request = toTokenRequest(route, origin, warn);
  return { config: route, token: request, spareHeader: findSpareHeader(origin, request, false) };
}

function parseMetadataAddress(text: string | undefined): ListenAddress {
  if (text === undefined) return METADATA;
  const [, bracketed, name, port = '80'] =
    /^(?:\[([0-9a-f:]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = bracketed ?? name;
  if (host !== undefined && Number(port) > 0 && Number(port) < 65_536) return { host, port: Number(port) };
  throw new ProxyError('usage', '--metadata-address takes a host and a port.', {
    hint: 'Such as 127.0.0.1:8081; without it, it is metadata.google.internal:80.',
  });
}

async function write(text: string, output: string | undefined, io: Io): Promise<void> {
  if (output === undefined) {
    io.stdout.write(text);
    return;
  }
  await writeFile(resolve(io.cwd, output), text).catch((cause: unknown) => {
    throw new ProxyError('usage', `The configuration can't be written to ${output}.`, {
      cause,
      hint: 'Name a file in a folder that exists.',
    });
  });
}
