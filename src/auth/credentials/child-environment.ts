import type { KindContext } from './kind.ts';

const IS_WINDOWS = process.platform === 'win32';
const OURS = /^(?:GBP_|OTEL_EXPORTER_OTLP_(?:\w+_)?HEADERS$)/;

/**
 * The environment for a program that says who we are (gcloud, a federation's executable): that of the user's shell, as if it
 * were run by hand, without what is ours in it. Those are the variables that hold our secrets, all of `GBP_*`, where
 * client secrets are kept, and the headers that spans are sent with. Never a token: what a program is told of it, it isn't told this way.
 */
export function toChildEnvironment({
  env,
  secretVariables = [],
}: Pick<KindContext, 'env' | 'secretVariables'>): Record<string, string> {
  const withheld = new Set(secretVariables.map(toComparable));
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !OURS.test(entry[0]) && !withheld.has(toComparable(entry[0])),
  );
  return Object.fromEntries(kept);
}

/** The variables that a configuration, or a part of it, says hold secrets (`env:NAME`). */
export function listSecretVariables(config: unknown): readonly string[] {
  if (typeof config !== 'object' || config === null) return [];
  const { kind, name } = config as { readonly kind?: unknown; readonly name?: unknown };
  if (kind === 'env' && typeof name === 'string') return [name];
  return Object.values(config).flatMap(listSecretVariables);
}

/** Windows doesn't mind how a variable is written. */
function toComparable(name: string): string {
  return IS_WINDOWS ? name.toUpperCase() : name;
}
