import type { UnixAddress } from './config.ts';
import { type FileNameContext, parseFileName } from './file-name.ts';
import { quote, type Refuse } from './issues.ts';

/** Whether a text is meant for `parseUnixAddress`. */
export function isUnixText(text: string): boolean {
  return /^unix:/i.test(text);
}

/**
 * Reads `unix:/path`, `unix:~/path` or `unix:path`. Whether a socket can be made there is found out when it is.
 * @param platform whose rules count
 */
export function parseUnixAddress(
  text: string,
  context: FileNameContext,
  refuse: Refuse,
  platform: NodeJS.Platform = process.platform,
): UnixAddress | undefined {
  const name = text.slice('unix:'.length);
  if (platform === 'win32') {
    return refuse('Node has no unix sockets on Windows.', 'Write `localhost:8080`, or another port.');
  }
  if (name.startsWith('//')) {
    return refuse('After `unix:` stands a file name, not a URL.', 'One slash is enough: `unix:/path`.');
  }
  if (name.startsWith('@')) {
    return refuse(
      `${quote(text)} is an abstract socket: those have no owner, so everybody on this machine could use it.`,
      'Name a file: `unix:~/proxy.sock`.',
    );
  }
  if (name.endsWith('/')) return refuse(`${quote(text)} names a folder, not a file in it.`);
  const path = parseFileName(name, context, refuse);
  return path === undefined || isTooLong(path, platform, refuse) ? undefined : { path };
}

/** What is longer than `sun_path` (unix(7) of Linux, sys/un.h of macOS) would be cut off, or refused without a reason. */
function isTooLong(path: string, platform: NodeJS.Platform, refuse: Refuse): boolean {
  const [system, mostBytes] = platform === 'linux' ? ['Linux', 107] : ['this system', 103];
  const bytes = Buffer.byteLength(path);
  if (bytes <= mostBytes) return false;
  refuse(
    `The full name of this socket has ${bytes} bytes; ${system} takes at most ${mostBytes}.`,
    'Use a folder with a shorter name, such as `unix:/tmp/proxy.sock`.',
  );
  return true;
}
