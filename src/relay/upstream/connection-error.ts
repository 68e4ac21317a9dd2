/**
 * A fault of a connection that no system call reports; `toUpstreamError` has the words for each:
 * `CONNECT_TIMEOUT`, `HEADERS_TIMEOUT`, `IDLE_TIMEOUT` the upstream was silent for too long; `UPLOAD_TIMEOUT` it took no more of the
 * request's body; `REQUEST_TIMEOUT` the client sent no more of it; `REQUEST_BROKEN` the body was not as long as its head said, or
 * the client broke off; `CONNECTION_CLOSED` the upstream closed; `ALL_BUSY` there are too many connections; `NO_HTTP2` the upstream
 * doesn't speak HTTP/2.
 */
export type ConnectionFault =
  | 'CONNECT_TIMEOUT'
  | 'HEADERS_TIMEOUT'
  | 'IDLE_TIMEOUT'
  | 'UPLOAD_TIMEOUT'
  | 'REQUEST_TIMEOUT'
  | 'REQUEST_BROKEN'
  | 'CONNECTION_CLOSED'
  | 'ALL_BUSY'
  | 'NO_HTTP2';

export class ConnectionError extends Error {
  readonly code: ConnectionFault;

  constructor(code: ConnectionFault, message: string) {
    super(message);
    this.code = code;
  }
}
