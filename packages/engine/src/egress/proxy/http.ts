import { createServer, request as requestOf, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Decision } from '@novasandbox/protocol';
import type { Box } from '../box.ts';
import type { Target, Verdict } from '../policy/judge.ts';
import type { Accepted } from './accepted.ts';
import { endAtOnce } from './end-at-once.ts';
import { pairsOf, passedOn } from './http-headers.ts';
import { targetOf } from './http-target.ts';
import { pump } from './pump.ts';
import { UpstreamAgent, type UpstreamRequest } from './upstream-agent.ts';

/** Takes connections of guests that speak HTTP/1, and judges each of their requests. */
export interface HttpProxy {
  /** @param head what was read of the connection */
  take(accepted: Accepted, head: Buffer): void;
}

/** The parts of a connection that its requests need. */
interface Visit {
  readonly accepted: Accepted;
  readonly agent: UpstreamAgent;
}

/** Heads of requests and answers may be as long as this. */
const longestHead = 64 << 10;
/** How long a head may take from its first byte, ms; the next check ends what has taken longer. */
const headWithinMs = 20_000;
/** Clients that keep a connection for later find it open for this long, ms. */
const keptMs = 120_000;

export function createHttpProxy(): HttpProxy {
  const visits = new WeakMap<Duplex, Visit>();
  const server = createServer({
    maxHeaderSize: longestHead,
    keepAliveTimeout: keptMs,
    headersTimeout: headWithinMs,
    // Uploads take as long as they take.
    requestTimeout: 0,
  });
  // It never listens itself. This starts its checks of heads that do not come in time.
  server.emit('listening');
  const visitOf = (socket: Duplex): Visit => {
    const visit = visits.get(socket);
    if (visit === undefined) throw new RangeError('The connection was not taken.');
    return visit;
  };
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    // Every failure ends the request's own connection.
    serveRequest(visitOf(request.socket), request, response).catch(() => request.socket.destroy());
  };
  server.on('request', serve);
  server.on('checkContinue', serve);
  server.on('checkExpectation', serve);
  server.on('upgrade', (request, socket: Duplex, head: Buffer) => {
    serveUpgrade(visitOf(socket), request, socket, head).catch(() => socket.destroy());
  });
  server.on('connect', (request, socket: Duplex) => {
    const { accepted } = visitOf(socket);
    const read = targetOf(request, accepted);
    endWith(socket, accepted.box, 'refused' in read ? read.refused : unsupported, read.target);
  });
  server.on('clientError', (_error, socket: Duplex) => {
    const visit = visits.get(socket);
    if (visit === undefined) return void socket.destroy();
    const { box, pinned, address, port } = visit.accepted;
    endWith(socket, box, malformed, { host: pinned, address, port });
  });
  return {
    take(accepted, head) {
      const { socket, box } = accepted;
      const gone = new AbortController();
      const agent = new UpstreamAgent(gone.signal);
      const change = box.onChange(() => agent.destroy());
      socket.once('close', () => {
        change[Symbol.dispose]();
        gone.abort();
        agent.destroy();
      });
      visits.set(socket, { accepted, agent });
      socket.unshift(head);
      server.emit('connection', socket);
    },
  };
}

const unsupported: Verdict = { allowed: false, code: 'unsupported', rule: 'protocol', byAddress: false };
const malformed: Verdict = { ...unsupported, code: 'malformed' };

/** HTTP statuses of denials. */
const statusOf = (code: Verdict['code']): readonly [number, string] => {
  if (code === 'malformed') return [400, 'Bad Request'];
  if (code === 'unsupported') return [405, 'Method Not Allowed'];
  return code === 'unreachable' ? [502, 'Bad Gateway'] : [403, 'Forbidden'];
};

function bodyOf({ code, rule, remedy, host, address, port, sandbox }: Omit<Decision, 'at'>): string {
  return `${JSON.stringify({ code, rule, remedy, host, address, port, sandbox })}\n`;
}

/** Explains a denial to a client that speaks HTTP. */
function deny(response: ServerResponse, box: Box, verdict: Verdict, target: Target): void {
  const body = bodyOf(box.tell(verdict, target, 'http'));
  response.writeHead(...statusOf(verdict.code), {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}

/** The same where there is no response of Node's. */
function endWith(socket: Duplex, box: Box, verdict: Verdict, target: Target): void {
  const body = bodyOf(box.tell(verdict, target, 'http'));
  if (!socket.writable) return void socket.destroy();
  const length = Buffer.byteLength(body);
  socket.end(
    `HTTP/1.1 ${statusOf(verdict.code).join(' ')}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}

/** The request that is sent on, written anew. Null: it is not allowed, and `refuse` was called. */
async function openRequest(
  { accepted, agent }: Visit,
  request: IncomingMessage,
  refuse: (verdict: Verdict, target: Target) => void,
  extraHeaders: readonly string[],
): Promise<{
  readonly ask: () => ReturnType<typeof requestOf>;
  readonly target: Target;
  readonly verdict: Verdict;
} | null> {
  const read = targetOf(request, accepted);
  if ('refused' in read) {
    refuse(read.refused, read.target);
    return null;
  }
  const { target, path, authority } = read;
  const { verdict, addresses } = await accepted.box.route(target);
  if (!verdict.allowed) {
    refuse(verdict, target);
    return null;
  }
  const host = target.host ?? addresses[0] ?? '';
  const headers = passedOn(request.rawHeaders, ['host']);
  const options: UpstreamRequest = {
    agent,
    addresses,
    host,
    port: target.port,
    method: request.method,
    path,
    setHost: false,
    headers: ['Host', authority ?? host, ...headers, ...extraHeaders],
    maxHeaderSize: longestHead,
  };
  return { ask: () => requestOf(options), target, verdict };
}

async function serveRequest(visit: Visit, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { box } = visit.accepted;
  response.sendDate = false;
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  const opened = await openRequest(
    visit,
    request,
    (verdict, target) => deny(response, box, verdict, target),
    isChunked ? ['Transfer-Encoding', 'chunked'] : [],
  );
  if (opened === null) return;
  const { target, verdict } = opened;
  const upstream = opened.ask();
  const meter = (bytes: number): number | null => box.caps.count(bytes);
  const { promise: answered, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  let passage: Disposable | undefined;
  upstream.once('socket', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    box.tell(verdict, { ...target, address }, 'http');
    const end = (): void => endAtOnce(visit.accepted.socket);
    passage = box.enter({ target: { ...target, address }, protocol: 'http', end });
  });
  upstream.once('response', resolve).on('error', reject);
  upstream.once('continue', () => response.writeContinue());
  // A server that speaks another protocol unasked is not passed on.
  upstream.once('upgrade', (_answer, socket: Socket) => {
    socket.destroy();
    reject(new Error('It answers with another protocol.'));
  });
  const onClose = (): void => void upstream.destroy();
  response.once('close', onClose);
  try {
    if (request.headers.expect !== undefined) upstream.flushHeaders();
    // Its failure is that of the request, which the answer tells of; a server may answer before it has read all.
    pump(request, upstream, meter).catch(() => undefined);
    const answer = await answered;
    answer.once('end', () => addTrailers(response, answer));
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', answerHeaders(answer, request));
    await pump(answer, response, meter);
  } catch (error) {
    if (response.headersSent || response.destroyed) throw error;
    deny(response, box, { ...verdict, allowed: false, code: 'unreachable' }, target);
  } finally {
    passage?.[Symbol.dispose]();
    if (response.writableFinished) upstream.off('close', onClose);
  }
}

/** An alternative service would be another way to the same host, which is not judged. */
const answerHeaders = ({ rawHeaders }: IncomingMessage, { httpVersion }: IncomingMessage): string[] =>
  // HTTP/1.0 has no trailers.
  passedOn(rawHeaders, httpVersion === '1.0' ? ['alt-svc', 'trailer'] : ['alt-svc']);

function addTrailers(response: ServerResponse, { rawTrailers }: IncomingMessage): void {
  if (rawTrailers.length > 0)
    response.addTrailers(Array.from(pairsOf(rawTrailers), ([name, value]): [string, string] => [name, value]));
}

/** An upgrade, such as to a WebSocket. What follows it is passed on as it is. */
async function serveUpgrade(visit: Visit, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  const { accepted } = visit;
  const { box } = accepted;
  socket.on('error', () => undefined);
  const refuse = (verdict: Verdict, target: Target): void => endWith(socket, box, verdict, target);
  const protocol = request.headers.upgrade ?? '';
  const opened = await openRequest(visit, request, refuse, ['Connection', 'Upgrade', 'Upgrade', protocol]);
  if (opened === null) return;
  const { target, verdict } = opened;
  // HTTP/2 would name hosts anew, out of sight.
  if (/\bh2c?\b/i.test(protocol)) return refuse(unsupported, target);
  const upstream = opened.ask();
  const { promise, resolve, reject } = Promise.withResolvers<readonly [IncomingMessage, Socket | null, Buffer]>();
  upstream.once('upgrade', (answer, server: Socket, rest: Buffer) => resolve([answer, server, rest]));
  upstream.once('response', (answer) => resolve([answer, null, Buffer.alloc(0)]));
  upstream.on('error', reject);
  socket.once('close', () => void upstream.destroy());
  upstream.end();
  let reply: Awaited<typeof promise>;
  try {
    reply = await promise;
  } catch {
    return refuse({ ...verdict, allowed: false, code: 'unreachable' }, target);
  }
  const [answer, server, rest] = reply;
  const address = (server ?? answer.socket).remoteAddress ?? '';
  box.tell(verdict, { ...target, address }, 'http');
  const end = (): void => {
    endAtOnce(accepted.socket);
    upstream.destroy();
    server?.destroy();
  };
  using _ = box.enter({ target: { ...target, address }, protocol: 'http', end });
  const meter = (bytes: number): number | null => box.caps.count(bytes);
  socket.write(answerHead(answer, server === null ? [] : ['Connection', 'Upgrade', 'Upgrade', protocol]));
  try {
    if (server === null) return await pump(answer, socket, meter);
    socket.write(rest);
    server.write(head);
    await Promise.all([pump(socket, server, meter), pump(server, socket, meter)]);
  } catch {
    end();
  }
}

/** The head of an answer without a length: its body ends with the connection. */
function answerHead(answer: IncomingMessage, extra: readonly string[]): string {
  const isUpgrade = extra.length > 0;
  const headers = [
    ...passedOn(answer.rawHeaders, ['alt-svc', ...(isUpgrade ? [] : ['content-length'])]),
    ...(isUpgrade ? extra : ['Connection', 'close']),
  ];
  const lines = [...pairsOf(headers)].map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${answer.statusCode ?? 502} ${answer.statusMessage ?? ''}\r\n${lines.join('')}\r\n`;
}
