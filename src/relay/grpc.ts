import type { ProxyError } from '../errors.ts';
import type { RequestFacts } from './request-head.ts';

const GRPC = /^application\/grpc(?:$|[+;\s])/i;
const GRPC_WEB = /^(application\/grpc-web(?:-text)?(?:\+[\w.-]+)?)(?:$|[;\s])/i;

/** Whether a request is gRPC over HTTP/2. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function isGrpc({ contentType }: Pick<RequestFacts, 'contentType'>): boolean {
  return contentType !== undefined && GRPC.test(contentType);
}

/**
 * The content type of an answer to whoever reads `grpc-status` rather than the status: gRPC, and gRPC-Web, which any HTTP carries
 * and whose clients want what they sent. Undefined for everybody else. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
 */
export function toGrpcType({ contentType }: Pick<RequestFacts, 'contentType'>): string | undefined {
  if (isGrpc({ contentType })) return 'application/grpc';
  return contentType?.match(GRPC_WEB)?.[1]?.toLowerCase();
}

/** gRPC's codes for the statuses of our answers. https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
const STATUS = {
  invalidArgument: 3,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const BY_HTTP_STATUS: Readonly<Record<number, number>> = {
  401: STATUS.unauthenticated,
  403: STATUS.permissionDenied,
  404: STATUS.unimplemented,
  405: STATUS.unimplemented,
  408: STATUS.unavailable,
  413: STATUS.resourceExhausted,
  429: STATUS.resourceExhausted,
  431: STATUS.resourceExhausted,
  500: STATUS.internal,
  502: STATUS.unavailable,
  503: STATUS.unavailable,
  504: STATUS.unavailable,
};

/** The `grpc-status` of a failure: UNAVAILABLE for what may be tried again, and so on. */
export function toGrpcStatus({ code, status }: Pick<ProxyError, 'code' | 'status'>): number {
  if (code === 'credentials_invalid') return STATUS.unauthenticated;
  return BY_HTTP_STATUS[status] ?? STATUS.invalidArgument;
}

/** A text for `grpc-message`: UTF-8, everything but plain visible ASCII percent-encoded. */
export function toGrpcMessage(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) =>
      byte < 0x20 || byte > 0x7e || byte === 0x25
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte),
    )
    .join('');
}
