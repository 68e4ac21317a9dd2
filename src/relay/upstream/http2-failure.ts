import { constants } from 'node:http2';
import { ConnectionError } from './connection-error.ts';
import { BadResponseError } from './response-parser.ts';

/** Resets that say: this is not valid HTTP/2. Node sends them itself where an upstream's response breaks the rules. */
const RULE_BREAKS = new Set<number>([
  constants.NGHTTP2_PROTOCOL_ERROR,
  constants.NGHTTP2_FLOW_CONTROL_ERROR,
  constants.NGHTTP2_STREAM_CLOSED,
  constants.NGHTTP2_FRAME_SIZE_ERROR,
  constants.NGHTTP2_COMPRESSION_ERROR,
  constants.NGHTTP2_ENHANCE_YOUR_CALM,
]);

/**
 * Names why a stream ended before its response was complete.
 * @param error what Node gave as the reason, if anything
 * @param resetCode error code of the RST_STREAM frame (RFC 9113, section 7), whoever sent it
 */
export function toStreamCause(error: unknown, resetCode: number): unknown {
  const code = codeOf(error);
  if (error !== undefined && !code?.startsWith('ERR_HTTP2_')) return error;
  if (code === 'ERR_HTTP2_ERROR') return new BadResponseError('it breaks the rules of HTTP/2');
  if (code === 'ERR_HTTP2_SESSION_ERROR')
    return new ConnectionError('CONNECTION_CLOSED', 'the upstream gave the connection up (GOAWAY)');
  if (RULE_BREAKS.has(resetCode))
    return new BadResponseError(`its stream was reset with HTTP/2 error code ${resetCode}`);
  return new ConnectionError('CONNECTION_CLOSED', `the stream ended before the response (code ${resetCode})`);
}

/** The code of an error of Node's or OpenSSL's. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
