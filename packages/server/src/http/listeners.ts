import http, { STATUS_CODES, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { errorTable, type ErrorCode } from '@novasandbox/protocol';
import type { ServerContext } from '../context.ts';
import { readCertificate } from './certificate.ts';
import { hangUp } from './linger.ts';
import { boundPipelining } from './pipelining.ts';

export interface Listeners {
  /** Listens on host and port, with TLS where it is configured. */
  readonly main: Server;
  /** Listens on the Unix socket of the daemon's owner. */
  readonly local: Server | null;
  isLocal(request: IncomingMessage): boolean;
  /**
   * Reads the certificate from its files again, for new connections. Throws for a bad certificate; the previous one
   * stays in use.
   */
  renewCertificate(): void;
}

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** The usual maximum of reverse proxies, so that every request that passes a proxy passes here too. */
export const maxHeaderBytes = 64 * 1024;
export const maxHeaders = 1000;

/** Creates the HTTP servers, with limits for slow clients and for the number of connections. */
export function createListeners(
  { config: { server: config }, connections }: Pick<ServerContext, 'config' | 'connections'>,
  onRequest: RequestListener,
  onUpgrade: UpgradeListener,
): Listeners {
  const options: http.ServerOptions = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: config.header_timeout_seconds * 1000,
    // Files and tunnels may take as long as they make progress; bodies have limits of their own (body-time.ts).
    requestTimeout: 0,
    connectionsCheckingInterval: 2000,
    keepAliveTimeout: 65_000,
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
  };
  const finish = <S extends Server>(server: S): S => {
    server.maxHeadersCount = maxHeaders;
    server.maxConnections = config.max_connections;
    server.on('request', boundPipelining(onRequest));
    server.on('upgrade', onUpgrade);
    server.on('clientError', answerBadClient);
    // CONNECT is for proxies, and this server is not one.
    server.on('connect', (_request, socket: Duplex) =>
      hangUp(socket, 'HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n'),
    );
    return server;
  };
  const local = config.local_socket ? finish(http.createServer(options)) : null;
  const localSockets = new WeakSet<object>();
  local?.on('connection', (socket) => localSockets.add(socket));
  const { tls } = config;
  // A TLS handshake has the same time limit as the headers.
  const handshakeTimeout = config.header_timeout_seconds * 1000;
  const secure =
    tls === undefined ? null : https.createServer({ ...options, ...readCertificate(tls), handshakeTimeout });
  const main = finish(secure ?? http.createServer(options));
  connections.watch(main);
  return {
    main,
    local,
    renewCertificate() {
      if (tls !== undefined) secure?.setSecureContext(readCertificate(tls));
    },
    isLocal: (request) => localSockets.has(request.socket),
  };
}

const badClient: Readonly<Record<string, readonly [code: ErrorCode, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', `The headers are larger than ${maxHeaderBytes / 1024} KiB.`],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The request took too long to arrive.'],
};

/** Answers a request that is not HTTP, too slow or too large, and closes the connection. */
function answerBadClient(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, message] = badClient[error.code ?? ''] ?? ['malformed_request', 'This is not valid HTTP.'];
  const hint = code === 'malformed_request' ? 'Send a valid HTTP/1.1 request.' : errorTable[code].hint;
  const { status } = errorTable[code];
  const body = JSON.stringify({ error: { code, message, hint, details: {} } });
  hangUp(
    socket,
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
