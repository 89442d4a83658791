import http, { STATUS_CODES, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { errorTable, type ErrorCode } from '@novasandbox/protocol';
import type { ServerConfig } from '../config/schema.ts';
import { readCertificate } from './certificate.ts';
import { limitConnections } from './connection-limit.ts';
import { hangUp } from './linger.ts';
import { boundPipelining } from './pipelining.ts';

export interface Listeners {
  /** Host and port, with TLS where it is configured. */
  readonly main: Server;
  /** The owner's own socket. */
  readonly local: Server | null;
  isLocal(request: IncomingMessage): boolean;
  /** New connections get the certificate that its files hold now. Throws for a bad one, and the one before stays. */
  renewCertificate(): void;
}

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** What proxies before applications take at the most, so that none of these finds less here. */
export const maxHeaderBytes = 64 * 1024;
export const maxHeaders = 1000;

/** Servers that do not wait for slow clients, and take no more of them than configured. */
export function createListeners(
  { server: config }: ServerConfig,
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
    // CONNECT asks for a proxy, which this is not.
    server.on('connect', (_request, socket: Duplex) =>
      hangUp(socket, 'HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n'),
    );
    return server;
  };
  const local = config.local_socket ? finish(http.createServer(options)) : null;
  const localSockets = new WeakSet<object>();
  local?.on('connection', (socket) => localSockets.add(socket));
  const { tls } = config;
  // A handshake is a header that may take no longer.
  const handshakeTimeout = config.header_timeout_seconds * 1000;
  const secure =
    tls === undefined ? null : https.createServer({ ...options, ...readCertificate(tls), handshakeTimeout });
  const main = finish(secure ?? http.createServer(options));
  limitConnections(main, config.max_connections_per_address);
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

/** Answers what is not HTTP, or too slow or too much of it, and closes. */
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
