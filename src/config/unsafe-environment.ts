import { ProxyError } from '../errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Sections of NODE_DEBUG under which Node prints the options of requests to Google, `Authorization` among them. */
const TELLTALE_SECTIONS: readonly string[] = ['http', 'https', 'net'];
/** Prints the whole address of the forward proxy, password included. */
const PROXY_AGENT = 'https-proxy-agent';
const PROXY_VARIABLES = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'];

/**
 * Refuses an environment in which Node or a library would give secrets away, to whoever answers or to whoever reads what is
 * printed. What is set there takes effect before anything of ours runs, or behind our back, so it can't be undone here.
 * @throws ProxyError `unsafe_environment`; of the variables' values nothing is quoted
 */
export function refuseUnsafeEnvironment(env: Env): void {
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    throw toError(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 is set: tokens would go to whoever answers in place of Google.',
      'Unset it. For a certificate authority of your own there is `caFile: FILE` (GBP_CA_FILE).',
    );
  }
  const section = TELLTALE_SECTIONS.find((name) => isCovered(name, env.NODE_DEBUG, /,/));
  if (section !== undefined) {
    throw toError(
      `NODE_DEBUG covers "${section}": Node would print requests with the tokens in them.`,
      `Start this program without it, or with other sections than ${TELLTALE_SECTIONS.join(', ')}.`,
    );
  }
  if (env.GOOGLE_SDK_NODE_LOGGING) {
    throw toError(
      'GOOGLE_SDK_NODE_LOGGING is set: the Google library would print tokens.',
      'Start this program without it.',
    );
  }
  const hasPassword = PROXY_VARIABLES.some((name) => env[name]?.includes('@'));
  if (hasPassword && isCovered(PROXY_AGENT, env.DEBUG, /[\s,]+/)) {
    throw toError(
      `DEBUG covers "${PROXY_AGENT}": the password of the forward proxy would be printed.`,
      'Start this program without it.',
    );
  }
}

/** Whether a list of names, with `*` for any characters, holds a name. */
function isCovered(name: string, list: string | undefined, separator: RegExp): boolean {
  if (!list) return false;
  return list.split(separator).some((pattern) => {
    const parts = pattern.trim().split(/\*+/).map(escapeForPattern);
    return new RegExp(`^${parts.join('.*')}$`, 'i').test(name);
  });
}

function escapeForPattern(text: string): string {
  return text.replace(/\W/g, '\\$&');
}

function toError(message: string, hint: string): ProxyError {
  return new ProxyError('unsafe_environment', message, { hint });
}
