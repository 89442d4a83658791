import { createServer, request as requestOf, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import type { Target, Verdict } from '../policy/judge.ts';
import type { Accepted } from './accepted.ts';
import { explanationOf, malformed, spentOf, statusOf, unsupported } from './denial.ts';
import { dial } from './dial.ts';
import { endAtOnce } from './end-at-once.ts';
import { pairsOf, passedOn } from './http-headers.ts';
import { targetOf } from './http-target.ts';
import { pump, type Filter } from './pump.ts';
import { askingReadably, readableBody } from './readable.ts';
import { replaceInBody } from './replace-in-body.ts';
import { UpstreamAgent, type UpstreamRequest } from './upstream-agent.ts';
import { admit, meterOf, protocolOf, watchBody, type Admitted, type Visit } from './visit.ts';

/** Takes connections of guests that speak HTTP/1, and judges each of their requests. */
export interface HttpProxy {
  /** @param head what was read of the connection */
  take(accepted: Accepted, head: Buffer): void;
  /**
   * @param socket speaks TLS with the guest, over the socket that was accepted
   * @param open makes a connection to the server for each that is needed
   */
  takeSecure(visit: Visit, socket: Duplex, open: () => Promise<Duplex>): void;
}

/** A connection with the servers for its requests. */
interface Http1Visit extends Visit {
  readonly agent: UpstreamAgent;
}

/** Heads of requests and answers may be as long as this. */
const longestHead = 64 << 10;
/** How long a head may take from its first byte, ms; the next check ends what has taken longer. */
const headWithinMs = 20_000;
/** Clients that keep a connection for later find it open for this long, ms. */
const keptMs = 120_000;

export function createHttpProxy(): HttpProxy {
  const visits = new WeakMap<Duplex, Http1Visit>();
  const server = createServer({
    maxHeaderSize: longestHead,
    keepAliveTimeout: keptMs,
    headersTimeout: headWithinMs,
    // Uploads take as long as they take.
    requestTimeout: 0,
  });
  // It never listens itself. This starts its checks of heads that do not come in time.
  server.emit('listening');
  const visitOf = (socket: Duplex): Http1Visit => {
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
    const visit = visitOf(socket);
    const read = readTarget(visit, request);
    endWith(visit, socket, 'refused' in read ? read.refused : unsupported, read.target);
  });
  server.on('clientError', (_error, socket: Duplex) => {
    const visit = visits.get(socket);
    if (visit === undefined) return void socket.destroy();
    const { pinned, address, port } = visit.accepted;
    endWith(visit, socket, malformed, { host: visit.secure?.host ?? pinned, address, port });
  });
  const take = (visit: Visit, socket: Duplex, open: ConstructorParameters<typeof UpstreamAgent>[0]): void => {
    const { box } = visit.accepted;
    const agent = new UpstreamAgent(open);
    const change = box.onChange(() => agent.destroy());
    visit.accepted.socket.once('close', () => {
      change[Symbol.dispose]();
      agent.destroy();
    });
    visits.set(socket, { ...visit, agent });
    server.emit('connection', socket);
  };
  return {
    take(accepted, head) {
      const { socket } = accepted;
      const gone = new AbortController();
      socket.once('close', () => gone.abort());
      socket.unshift(head);
      take({ accepted, secure: null, gone: gone.signal }, socket, ({ addresses, port }) =>
        dial(addresses, Number(port), gone.signal),
      );
    },
    takeSecure: take,
  };
}

const readTarget = ({ accepted, secure }: Visit, request: IncomingMessage) =>
  targetOf(request, { ...accepted, secureHost: secure?.host ?? null });

/** Explains a denial to a client that speaks HTTP. */
function deny(visit: Visit, response: ServerResponse, verdict: Verdict, target: Target): void {
  const body = explanationOf(visit.accepted.box.tell(verdict, target, protocolOf(visit)));
  response.writeHead(...statusOf(verdict.code), {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}

/** The same where there is no response of Node's. */
function endWith(visit: Visit, socket: Duplex, verdict: Verdict, target: Target): void {
  const body = explanationOf(visit.accepted.box.tell(verdict, target, protocolOf(visit)));
  if (!socket.writable) return void socket.destroy();
  const length = Buffer.byteLength(body);
  socket.end(
    `HTTP/1.1 ${statusOf(verdict.code).join(' ')}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}

/** A request that is sent on, written anew. */
interface Opened extends Admitted {
  readonly target: Target;
  /** @param headers those that frame its body */
  ask(headers: readonly string[]): ReturnType<typeof requestOf>;
}

/** Null: it is not allowed, and `refuse` was called. */
async function openRequest(
  visit: Http1Visit,
  request: IncomingMessage,
  refuse: (verdict: Verdict, target: Target) => void,
): Promise<Opened | null> {
  const read = readTarget(visit, request);
  if ('refused' in read) {
    refuse(read.refused, read.target);
    return null;
  }
  const { authority } = read;
  const headers = passedOn(request.rawHeaders, [
    'host',
    ...(request.headers['content-length'] === undefined ? [] : ['content-length']),
  ]);
  const admitted = await admit(visit, read.target, { path: read.path, headers });
  const target: Target = { ...read.target, approved: admitted.approved };
  if ('refused' in admitted) {
    refuse(admitted.refused, target);
    return null;
  }
  const { addresses, placed } = admitted;
  const host = target.host ?? addresses[0] ?? '';
  const isVeiled = visit.accepted.box.secrets.veilFor(target) !== null;
  const asked = isVeiled ? askingReadably(placed.headers) : placed.headers;
  return {
    ...admitted,
    target,
    ask(framing) {
      const options: UpstreamRequest = {
        agent: visit.agent,
        addresses,
        host,
        port: target.port,
        method: request.method,
        path: placed.path,
        setHost: false,
        headers: ['Host', authority ?? host, ...asked, ...framing],
        maxHeaderSize: longestHead,
      };
      return requestOf(options);
    },
  };
}

/** The headers that say where the body of a request ends. */
function framingOf({ headers }: IncomingMessage): string[] {
  if (headers['transfer-encoding'] !== undefined) return ['Transfer-Encoding', 'chunked'];
  return headers['content-length'] === undefined ? [] : ['Content-Length', headers['content-length']];
}

async function serveRequest(visit: Http1Visit, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { box, socket: guest } = visit.accepted;
  response.sendDate = false;
  const refuse = (verdict: Verdict, target: Target): void => deny(visit, response, verdict, target);
  const opened = await openRequest(visit, request, refuse);
  if (opened === null) return;
  const { target, verdict, placed } = opened;
  if (request.headers.expect !== undefined && placed.wantsBody) response.writeContinue();
  const replaced = placed.wantsBody ? await replaceInBody(visit, target, request, request.headers) : null;
  const used = [...placed.used, ...(replaced?.used ?? [])];
  if (!box.secrets.countRequest(used)) return refuse(spentOf(used), target);
  const upstream = opened.ask(
    replaced === null ? framingOf(request) : ['Content-Length', String(replaced.body.length)],
  );
  const meter = meterOf(visit, used);
  const { promise: answered, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  let passage: Disposable | undefined;
  upstream.once('socket', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const protocol = protocolOf(visit);
    box.tell(verdict, { ...target, address }, protocol, used);
    const end = (): void => endAtOnce(guest);
    passage = box.enter({ target: { ...target, address }, protocol, secrets: used, end });
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
    if (replaced === null) pump(request, upstream, meter, watchBody(visit, target)).catch(() => undefined);
    else upstream.end(replaced.body);
    const answer = await answered;
    const shown = showAnswer(visit, target, answer, request);
    if (shown === null) {
      answer.destroy();
      return refuse({ ...verdict, allowed: false, code: 'unreadable' }, target);
    }
    answer.once('end', () => addTrailers(response, shown.trailers()));
    response.writeHead(answer.statusCode ?? 502, shown.status, shown.headers);
    await pump(shown.body, response, meter, shown.filter);
  } catch (error) {
    if (response.headersSent || response.destroyed) throw error;
    refuse({ ...verdict, allowed: false, code: 'unreachable' }, target);
  } finally {
    passage?.[Symbol.dispose]();
    if (response.writableFinished) upstream.off('close', onClose);
  }
}

/** An answer as the guest gets it. */
interface Shown {
  readonly status: string;
  readonly headers: string[];
  readonly body: Readable;
  readonly filter: Filter | undefined;
  /** Known at the end of the body. */
  trailers(): readonly string[];
}

/** Null: secrets cannot be looked for in it. */
function showAnswer(
  { accepted: { box } }: Visit,
  target: Target,
  answer: IncomingMessage,
  request: IncomingMessage,
): Shown | null {
  const veil = box.secrets.veilFor(target);
  const headers = answerHeaders(answer, request);
  const status = answer.statusMessage ?? '';
  if (veil === null) return { status, headers, body: answer, filter: undefined, trailers: () => answer.rawTrailers };
  const hidden = (texts: readonly string[]): string[] => texts.map((text) => veil.hide(text));
  const isEmpty = request.method === 'HEAD' || answer.statusCode === 204 || answer.statusCode === 304;
  const readable = readableBody(answer, isEmpty ? undefined : answer.headers['content-encoding']);
  if (readable === null) return null;
  return {
    status: veil.hide(status),
    headers: hidden(readable.decoded ? passedOn(headers, ['content-encoding', 'content-length']) : headers),
    body: readable.body,
    filter: veil.filter(),
    trailers: () => hidden(answer.rawTrailers),
  };
}

/** An alternative service would be another way to the same host, which is not judged. */
const answerHeaders = ({ rawHeaders }: IncomingMessage, { httpVersion }: IncomingMessage): string[] =>
  // HTTP/1.0 has no trailers.
  passedOn(rawHeaders, httpVersion === '1.0' ? ['alt-svc', 'trailer'] : ['alt-svc']);

function addTrailers(response: ServerResponse, rawTrailers: readonly string[]): void {
  if (rawTrailers.length > 0)
    response.addTrailers(Array.from(pairsOf(rawTrailers), ([name, value]): [string, string] => [name, value]));
}

/** An upgrade, such as to a WebSocket. What follows it is passed on as it is, but for secrets. */
async function serveUpgrade(visit: Http1Visit, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  const { accepted } = visit;
  const { box } = accepted;
  socket.on('error', () => undefined);
  const refuse = (verdict: Verdict, target: Target): void => endWith(visit, socket, verdict, target);
  const protocol = request.headers.upgrade ?? '';
  const opened = await openRequest(visit, request, refuse);
  if (opened === null) return;
  const { target, verdict, placed } = opened;
  // HTTP/2 would name hosts anew, out of sight.
  if (/\bh2c?\b/i.test(protocol)) return refuse(unsupported, target);
  if (!box.secrets.countRequest(placed.used)) return refuse(spentOf(placed.used), target);
  const upstream = opened.ask(['Connection', 'Upgrade', 'Upgrade', protocol]);
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
  const shown = showAnswer(visit, target, answer, request);
  if (shown === null) {
    answer.destroy();
    return refuse({ ...verdict, allowed: false, code: 'unreadable' }, target);
  }
  const address = (server ?? answer.socket).remoteAddress ?? '';
  box.tell(verdict, { ...target, address }, protocolOf(visit), placed.used);
  const end = (): void => {
    endAtOnce(accepted.socket);
    upstream.destroy();
    server?.destroy();
  };
  using _ = box.enter({ target: { ...target, address }, protocol: protocolOf(visit), secrets: placed.used, end });
  const meter = meterOf(visit, placed.used);
  socket.write(answerHead(answer, shown, server === null ? [] : ['Connection', 'Upgrade', 'Upgrade', protocol]));
  try {
    if (server === null) return await pump(shown.body, socket, meter, shown.filter);
    server.unshift(rest);
    server.write(head);
    await Promise.all([pump(socket, server, meter), pump(server, socket, meter, shown.filter)]);
  } catch {
    end();
  }
}

/** The head of an answer without a length: its body ends with the connection. */
function answerHead(
  { statusCode }: IncomingMessage,
  { status, headers: shown }: Shown,
  extra: readonly string[],
): string {
  const isUpgrade = extra.length > 0;
  const headers = [
    ...passedOn(shown, isUpgrade ? [] : ['content-length']),
    ...(isUpgrade ? extra : ['Connection', 'close']),
  ];
  const lines = [...pairsOf(headers)].map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${statusCode ?? 502} ${status}\r\n${lines.join('')}\r\n`;
}
