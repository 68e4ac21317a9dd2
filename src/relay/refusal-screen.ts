import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib';
import {
  type Diagnosis,
  diagnoseRefusal,
  identifyRefuser,
  mayBeGoogles,
  type Refuser,
} from '../auth/refusal.ts';
import type { HeldToken, TokenSource } from '../auth/token-source.ts';
import type { Forward } from './decide.ts';
import { type FieldLines, findValue } from './field-lines.ts';

/** The head of a refusal as the upstream sent it. */
export interface RefusalHead {
  readonly status: number;
  readonly reason: string;
  readonly lines: FieldLines;
}

/** The request that was refused. */
export interface RefusedRequest {
  readonly forward: Forward;
  readonly tokens: TokenSource;
  readonly token: HeldToken;
  /** It was sent a second time already. */
  readonly isReplay: boolean;
  /** The local clock, in epoch ms. */
  readonly wallMs: number;
}

/** What is to become of a refusal. `isComplete`: the upstream has sent all of it. */
export type Screened =
  | {
      readonly kind: 'relay';
      readonly head: RefusalHead;
      /** The body as far as it came. */
      readonly chunks: readonly Buffer[];
      readonly isComplete: boolean;
      readonly by: Refuser;
      /** Undefined for an application's own refusal. */
      readonly diagnosis: Diagnosis | undefined;
    }
  /** Send the request again, with this token. */
  | { readonly kind: 'replay'; readonly token: HeldToken; readonly isComplete: boolean };

/** Google's own pages are a few hundred bytes long and come in one piece. */
const LONGEST_START_BYTES = 4_096;

/** Whether a response has to be kept back for a `RefusalScreen`. */
export function isScreened(status: number, lines: FieldLines): boolean {
  return isRefusal(status) && mayBeGoogles(status, lines);
}

/** Statuses by which Google's front end turns requests away. */
export function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 404;
}

/** The beginning of a body as text, also of a compressed one; empty where it can't be read. */
function toText(chunk: Buffer | undefined, coding: string | undefined): string {
  if (chunk === undefined) return '';
  const decompress = coding === undefined ? undefined : DECOMPRESSORS.get(coding.toLowerCase());
  if (coding !== undefined && decompress === undefined) return '';
  try {
    const bytes = decompress?.(chunk) ?? chunk;
    return bytes.toString('latin1', 0, LONGEST_START_BYTES);
  } catch {
    return '';
  }
}

/** What is cut off is decompressed as far as it goes; what would grow large is no page of Google's. */
const BOUND = { maxOutputLength: 65_536 };
const DECOMPRESSORS: ReadonlyMap<string, (chunk: Buffer) => Buffer> = new Map([
  ['gzip', (chunk: Buffer) => gunzipSync(chunk, { ...BOUND, finishFlush: constants.Z_SYNC_FLUSH })],
  ['deflate', (chunk: Buffer) => inflateSync(chunk, { ...BOUND, finishFlush: constants.Z_SYNC_FLUSH })],
  [
    'br',
    (chunk: Buffer) =>
      brotliDecompressSync(chunk, { ...BOUND, finishFlush: constants.BROTLI_OPERATION_FLUSH }),
  ],
]);

/**
 * Keeps a refusal back until the first piece of its body tells whose it is. An application's goes on to the client. So does
 * one of Google's, unless the request had no body and another token can be had: then the request is sent once more, as no
 * application has seen it (R56). One with a body isn't, but the next has the other token.
 */
export class RefusalScreen {
  readonly #head: RefusalHead;
  readonly #request: RefusedRequest;
  readonly #onScreened: (screened: Screened) => void;
  readonly #chunks: Buffer[] = [];
  #isComplete = false;
  #isJudged = false;

  /** @param onScreened called once, at the latest when the refusal is complete and Google has answered */
  constructor(head: RefusalHead, request: RefusedRequest, onScreened: (screened: Screened) => void) {
    this.#head = head;
    this.#request = request;
    this.#onScreened = onScreened;
  }

  /** A piece of the body; whether more may come now is for `onScreened` to say. */
  onData(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#judge();
  }

  onEnd(): void {
    this.#isComplete = true;
    this.#judge();
  }

  #judge(): void {
    if (this.#isJudged) return;
    this.#isJudged = true;
    const { status, lines } = this.#head;
    const { forward, tokens, token, isReplay } = this.#request;
    const bodyStart = toText(this.#chunks[0], findValue(lines, 'content-encoding'));
    const by = identifyRefuser({ status, lines, bodyStart });
    const diagnosis = by === 'application' ? undefined : this.#diagnose(bodyStart);
    const mayHelp = by !== 'application' && status !== 404;
    if (!mayHelp || isReplay || forward.framing !== 'none') {
      this.#relay(by, diagnosis);
      // A client whose requests all have content, as those of gRPC do, must not be left with a refused token.
      if (mayHelp && !isReplay) tokens.replace(token).catch(() => {});
      return;
    }
    tokens.replace(token).then(
      (next) => {
        if (next === undefined) this.#relay(by, diagnosis);
        else this.#onScreened({ kind: 'replay', token: next, isComplete: this.#isComplete });
      },
      () => this.#relay(by, diagnosis),
    );
  }

  #relay(by: Refuser, diagnosis: Diagnosis | undefined): void {
    const [head, chunks, isComplete] = [this.#head, this.#chunks, this.#isComplete];
    this.#onScreened({ kind: 'relay', head, chunks, isComplete, by, diagnosis });
  }

  #diagnose(bodyStart: string): Diagnosis {
    const { status, lines } = this.#head;
    const { forward, tokens, token, wallMs } = this.#request;
    const dateMs = Date.parse(findValue(lines, 'date') ?? '');
    return diagnoseRefusal(
      { status, lines, bodyStart },
      {
        upstreamOrigin: forward.route.upstreamOrigin,
        request: tokens.request,
        identity: token.identity,
        otherAudience: token.otherAudience,
        tokenAgeMs: token.ageMs(),
        clockOffsetMs: Number.isNaN(dateMs) ? undefined : wallMs - dateMs,
      },
    );
  }
}
