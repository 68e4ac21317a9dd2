import type { GoogleConfig } from './config.ts';
import type { DraftFile } from './draft.ts';
import { parseDuration } from './duration.ts';
import { isHostName } from './host.ts';
import { quote, type Refuse, type RefuseAt } from './issues.ts';
import type { Layer } from './layers.ts';

const DEFAULTS: GoogleConfig = { universeDomain: 'googleapis.com', tokenTimeoutMs: 5_000 };
const LONGEST_TOKEN_TIMEOUT_MS = 60_000;

/** Reads what holds for everything that is asked of Google. */
export function readGoogleSettings(
  draft: DraftFile,
  layers: readonly Layer[],
  refuseAt: RefuseAt,
): GoogleConfig {
  const domain = layers.findLast((layer) => layer.universeDomain !== undefined)?.universeDomain;
  const { tokenTimeout } = draft;
  return {
    universeDomain: (domain && parseDomain(domain.value, domain.refuse)) ?? DEFAULTS.universeDomain,
    tokenTimeoutMs:
      (tokenTimeout === undefined
        ? undefined
        : parseTokenTimeout(tokenTimeout, refuseAt(['tokenTimeout']))) ?? DEFAULTS.tokenTimeoutMs,
  };
}

/** Every credential asks at hosts below this domain, so it is a bare one. */
function parseDomain(text: string, refuse: Refuse): string | undefined {
  const domain = text.toLowerCase().replace(/\.$/, '');
  if (isHostName(domain) && /\.[a-z][a-z0-9-]*$/.test(domain)) return domain;
  const host = URL.parse(text)?.hostname;
  const hint = host ? `Write \`${host}\`.` : 'They look like `googleapis.com`.';
  return refuse(`${quote(text)} is not a universe's domain.`, hint);
}

function parseTokenTimeout(text: string, refuse: Refuse): number | undefined {
  const timeoutMs = parseDuration(text, refuse);
  if (timeoutMs === undefined || (timeoutMs > 0 && timeoutMs <= LONGEST_TOKEN_TIMEOUT_MS)) return timeoutMs;
  return refuse(
    `The wait for a token has to end within 60s; this is ${quote(text)}.`,
    'Write `5s`, for instance.',
  );
}
