import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { ProxyError } from '../../errors.ts';
import { type MintSubject, scrub, toStandingError } from '../failure.ts';
import { describeRequest } from '../minted.ts';
import { toChildEnvironment } from './child-environment.ts';
import { isObject, readText } from './credential-file.ts';
import type { Federation, SubjectSource } from './federation.ts';
import type { KindContext } from './kind.ts';

type Executable = SubjectSource & { readonly kind: 'executable' };

export interface ExecutableOptions {
  readonly executable: Executable;
  readonly federation: Federation;
  /** The account that will be acted as. */
  readonly account: string | undefined;
  readonly context: Pick<KindContext, 'env' | 'secretVariables' | 'clock'>;
  readonly subject: Pick<MintSubject, 'request' | 'credential'>;
}

const ALLOW = 'GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES';
const MAX_OUTPUT_BYTES = 1_048_576;
const SAML = 'urn:ietf:params:oauth:token-type:saml2';
const OIDC: readonly unknown[] = [
  'urn:ietf:params:oauth:token-type:id_token',
  'urn:ietf:params:oauth:token-type:jwt',
];

/**
 * Has a program say who this workload is. Not by way of the library, whose process ends when the program can't be started,
 * and whose errors hold all that the program wrote.
 * https://google.aip.dev/auth/4117#determining-the-subject-token-in-executable-sourced-credentials
 * @throws ProxyError `credentials_invalid`, or `token_unavailable` when the program takes too long
 */
export async function runExecutable(options: ExecutableOptions): Promise<string> {
  const { executable, context, subject } = options;
  if (context.env[ALLOW] !== '1')
    throw toStandingError(subject, 'it starts a program, which has to be allowed first', `${ALLOW}=1`);
  const { outputFile } = executable;
  const kept =
    outputFile === undefined ? undefined : await readFile(outputFile, 'utf8').catch(() => undefined);
  const nowMs = context.clock.now().wallMs;
  const known = kept === undefined ? undefined : parseAnswer(kept, nowMs);
  if (known?.token !== undefined) return known.token;

  const answer = parseAnswer(await run(options), nowMs);
  if (answer.token !== undefined) return answer.token;
  throw toStandingError(subject, `${toName(executable)} ${answer.failure}`, toHint(executable));
}

function run({ executable, federation, account, context, subject }: ExecutableOptions): Promise<string> {
  const [program = '', ...args] = splitCommand(executable.command);
  const env = {
    ...toChildEnvironment(context),
    GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE: federation.audience,
    GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE: federation.subjectTokenType,
    GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE: '0',
    ...(account !== undefined && { GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL: account }),
    ...(executable.outputFile !== undefined && {
      GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE: executable.outputFile,
    }),
  };
  const { timeoutMs } = executable;
  const name = toName(executable);
  const hint = toHint(executable);
  const toFailure = (reason: unknown): ProxyError =>
    toStandingError(
      subject,
      `${name} ${reason === 'ENOENT' ? 'does not exist' : `failed (${reason})`}`,
      hint,
    );
  const options = { env, timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES, windowsHide: true };
  return new Promise((resolve, reject) => {
    try {
      execFile(program, args, options, (error, stdout) => {
        // A program that fails says why in the same form.
        if (error === null || (typeof error.code === 'number' && stdout.trim() !== ''))
          return resolve(stdout);
        if (error.killed !== true || typeof error.code === 'string')
          return reject(toFailure(error.code ?? error.signal));
        const message = `Could not get ${describeRequest(subject.request)} from ${subject.credential}: ${name} did not end within ${timeoutMs / 1000} s.`;
        reject(new ProxyError('token_unavailable', message, { hint }));
      });
    } catch (error) {
      // What is no program at all.
      reject(toFailure(error instanceof Error && 'code' in error ? error.code : 'unknown'));
    }
  });
}

type Answer =
  | { readonly token: string; readonly failure?: undefined }
  | { readonly token?: undefined; readonly failure: string };

function parseAnswer(text: string, nowMs: number): Answer {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    // The parser's message quotes what may be a token.
  }
  if (!isObject(answer)) return { failure: 'wrote something else than JSON' };
  const { version, success, token_type: type, expiration_time: ends } = answer;
  if (version !== 1) return { failure: 'wrote an answer of an unknown version' };
  if (success !== true) {
    const words = [readText(answer, 'code'), readText(answer, 'message')].filter(
      (word) => word !== undefined,
    );
    return {
      failure: words.length === 0 ? 'failed' : `failed: ${scrub(words.join(' ')).replace(/\.$/, '')}`,
    };
  }
  if (typeof ends === 'number' && ends * 1000 <= nowMs) return { failure: 'gave a token that is over' };
  const token = readText(answer, type === SAML ? 'saml_response' : 'id_token');
  const known = type === SAML || OIDC.includes(type);
  return known && token !== undefined ? { token } : { failure: 'gave no token' };
}

/** Words between spaces; `"` keeps them together. */
function splitCommand(command: string): readonly string[] {
  const words = command.match(/(?:[^\s"]+|"[^"]*")+/g) ?? [];
  return words.map((word) => word.replace(/^"(.*)"$/, '$1'));
}

/** The program without its arguments, which may be secrets. */
function toName({ command }: Executable): string {
  return `the program ${basename(splitCommand(command)[0] ?? '')}`;
}

function toHint({ command }: Executable): string {
  return `Run it by hand: ${splitCommand(command)[0] ?? ''}`;
}
