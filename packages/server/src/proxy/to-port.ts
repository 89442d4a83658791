import { request as httpRequest, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline, type Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { isNovaError, type NovaError } from '@novasandbox/protocol';
import type { CallerContext } from '../context.ts';
import { isOurCredential } from './access.ts';
import { hangUp } from '../http/linger.ts';
import { answer, answerSocket, failure, portClosed, sandboxGone, type Answer } from './answer.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import type { ProxyLimits } from './limits.ts';
import { withHost, withoutTokens } from './preview.ts';
import { BadHead } from './response-head.ts';
import { Tidied } from './tidied.ts';

export interface PortTarget {
  readonly sandboxId: string;
  readonly port: number;
  /** The Host that the guest gets; default: the client's. */
  readonly host?: string | null;
  /** Whether the server in the guest speaks TLS. */
  readonly tls?: boolean;
}

/**
 * Forwards a request over HTTP/1.1 to a port of the guest. Each request has its own connection, so that nothing that a
 * guest answers can reach another request.
 */
export async function proxyRequest(
  context: CallerContext,
  target: PortTarget,
  limits: ProxyLimits,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const done = Promise.withResolvers<void>();
  const fail = (problem: Answer): void => {
    answer(response, problem);
    done.resolve();
  };
  const tunnel = await connect(context, target, limits);
  if (!('pipe' in tunnel)) return answer(response, tunnel);
  // The client may have disconnected meanwhile.
  if (response.destroyed || response.closed) return void tunnel.destroy();
  const upstream = forward(context, target, limits, request, tunnel, []);
  const timer = setTimeout(() => {
    upstream.destroy();
    fail(late);
  }, limits.firstByteMs);
  // A guest need not answer while the request is still arriving.
  request.on('data', () => timer.refresh());
  response.once('close', () => {
    clearTimeout(timer);
    upstream.destroy();
    tunnel.destroy();
    done.resolve();
  });
  upstream.on('error', (error) => fail(noWebServer(error)));
  upstream.on('response', (incoming) => {
    clearTimeout(timer);
    response.setTimeout(limits.idleMs, () => response.destroy());
    const headers = answerHeaders(incoming);
    if (headers === null || response.headersSent) {
      upstream.destroy();
      return fail(noWebServer());
    }
    response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage ?? '', headers);
    // Sends the head now, and byte for byte: flushHeaders() would encode its characters, each of which stands for a
    // byte, as text.
    response.write(Buffer.alloc(0));
    // When the guest breaks off, the connection of the client is broken off too: a proper end would mark the answer as
    // complete.
    pipeline(incoming, response, (error) => {
      if (error !== undefined && error !== null) response.destroy();
      done.resolve();
    });
  });
  // The connection closed without an answer, for example after a switch of protocols that nobody asked for.
  upstream.on('close', () => {
    if (!response.headersSent) fail(noWebServer());
  });
  // Not a pipeline: the answer may come before the request has been read, and must not be cut off for that.
  request.pipe(upstream);
  return done.promise;
}

/** Forwards WebSockets and other protocols that begin as HTTP. */
export async function proxyUpgrade(
  context: CallerContext,
  target: PortTarget,
  limits: ProxyLimits,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { socket: connection } = request;
  const tunnel = await connect(context, target, limits);
  if (!('pipe' in tunnel)) return answerSocket(socket, tunnel);
  if (socket.destroyed) return void tunnel.destroy();
  const done = Promise.withResolvers<void>();
  const upgrade = ['Connection', 'Upgrade', 'Upgrade', request.headers.upgrade ?? ''];
  const upstream = forward(context, target, limits, request, tunnel, upgrade);
  const fail = (problem: Answer): void => {
    answerSocket(socket, problem);
    tunnel.destroy();
    done.resolve();
  };
  const timer = setTimeout(() => fail(late), limits.firstByteMs);
  const answered = (): void => {
    clearTimeout(timer);
    connection.setTimeout(limits.idleMs, () => connection.destroy());
  };
  socket.once('close', () => {
    clearTimeout(timer);
    tunnel.destroy();
    done.resolve();
  });
  upstream.on('error', (error) => fail(noWebServer(error)));
  upstream.on('upgrade', (incoming: IncomingMessage, guest: Duplex, first: Buffer) => {
    answered();
    const headers = responseHeaders(incoming.rawHeaders, 101) ?? [];
    const protocol = ['Connection', 'Upgrade', 'Upgrade', incoming.headers.upgrade ?? ''];
    socket.write(headOf(`101 ${incoming.statusMessage ?? ''}`, [...headers, ...protocol]), 'latin1');
    if (first.length > 0) socket.write(first);
    if (head.length > 0) guest.write(head);
    pipeline(socket, guest, socket, () => done.resolve());
  });
  upstream.on('response', (incoming) => {
    answered();
    const headers = answerHeaders(incoming);
    if (headers === null) return fail(noWebServer());
    socket.write(
      headOf(`${incoming.statusCode} ${incoming.statusMessage ?? ''}`, [...headers, 'Connection', 'close']),
      'latin1',
    );
    incoming.pipe(socket, { end: false });
    incoming.once('close', () => {
      if (incoming.complete) hangUp(socket);
      else socket.destroy();
    });
  });
  upstream.end();
  return done.promise;
}

async function connect(
  { engine, log }: CallerContext,
  { sandboxId, port, tls = false }: PortTarget,
  { connectMs }: ProxyLimits,
): Promise<Duplex | Answer> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), connectMs);
  try {
    const tunnel = await engine.files.tunnel(sandboxId, port, { signal: limit.signal });
    return tls ? await encrypt(tunnel, limit.signal) : tunnel;
  } catch (error) {
    if (limit.signal.aborted) return late;
    if (error instanceof NoTls) return failure(502, `The port does not answer by TLS: ${error.message}`);
    if (isNovaError(error, 'channel_busy')) return failure(429, 'Too many connections to this sandbox');
    if (isNovaError(error, 'connection_refused')) return portClosed(sandboxId, port);
    if (isNovaError(error, 'sandbox_not_found', 'sandbox_not_running', 'guest_unreachable'))
      return sandboxGone(sandboxId);
    log.warn({ err: error as NovaError, sandbox: sandboxId, port }, 'no connection to a port');
    return failure(502, 'The sandbox cannot be reached');
  } finally {
    clearTimeout(timer);
  }
}

class NoTls extends Error {
  override readonly name = 'NoTls';
}

/**
 * Speaks TLS to a server in a guest. Its certificate is not checked: the tunnel leads to this guest and to nobody else,
 * and most servers there have signed theirs themselves.
 */
async function encrypt(tunnel: Duplex, signal: AbortSignal): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const encrypted = connectTls({ socket: tunnel, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  const onAbort = (): void => reject(new NoTls('it is silent'));
  encrypted.once('secureConnect', resolve);
  // Errors after it is connected reach whoever reads; none may end the process.
  encrypted.on('error', (error) => reject(new NoTls(error.message)));
  encrypted.once('close', () => reject(new NoTls('it hung up')));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
    return encrypted;
  } catch (error) {
    encrypted.destroy();
    tunnel.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function forward(
  context: CallerContext,
  { sandboxId, host = null }: PortTarget,
  { headerBytes }: ProxyLimits,
  request: IncomingMessage,
  tunnel: Duplex,
  extra: readonly string[],
): ClientRequest {
  const asked = withoutTokens(request.url ?? '/', request.rawHeaders);
  const passed = requestHeaders(asked.headers, isOurCredential(context, sandboxId));
  const headers = [...(host === null ? passed : withHost(passed, host)), ...extra];
  // A body of unknown length stays chunked. Its Transfer-Encoding was removed with the other hop-by-hop headers.
  if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
  if (extra.length === 0) headers.push('Connection', 'close');
  const upstream = httpRequest({
    createConnection: () => new Tidied(tunnel, headerBytes),
    method: request.method ?? 'GET',
    path: asked.url,
    headers,
    setHost: false,
    // Tidied enforces the limit before the parser sees the head.
    maxHeaderSize: 2 * headerBytes,
    insecureHTTPParser: false,
  });
  // The bytes of the headers are limited already. Node would drop headers beyond a number.
  upstream.maxHeadersCount = 0;
  return upstream;
}

const late = failure(504, 'The sandbox has not answered in time');
const noWebServer = (error?: Error): Answer =>
  failure(
    502,
    `The sandbox has not answered as a web server does${error instanceof BadHead ? `: ${error.message}` : ''}`,
  );

/**
 * Returns the headers for the client. Node accepts any three digits as a status; a status that HTTP does not have gives
 * null.
 */
function answerHeaders({ statusCode = 0, rawHeaders }: IncomingMessage): string[] | null {
  return statusCode >= 200 && statusCode <= 599 ? responseHeaders(rawHeaders, statusCode) : null;
}

function headOf(status: string, headers: readonly string[]): string {
  let text = `HTTP/1.1 ${status}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2) text += `${headers[index]}: ${headers[index + 1]}\r\n`;
  return `${text}\r\n`;
}
