import {
  connect,
  constants,
  performServerHandshake,
  sensitiveHeaders,
  type ClientHttp2Session,
  type Http2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2';
import type { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import type { Target, Verdict } from '../policy/judge.ts';
import { nameOf } from '../policy/names.ts';
import { explanationOf, malformed, spentOf, statusOf, unsupported } from './denial.ts';
import { pairsOf } from './http-headers.ts';
import { pump, type Filter } from './pump.ts';
import { askingReadably, readableBody } from './readable.ts';
import { replaceInBody } from './replace-in-body.ts';
import { admit, meterOf, watchBody, type SecurePlace, type Visit } from './visit.ts';

/** A visit over TLS. */
type SecureVisit = Visit & { readonly secure: SecurePlace };

/** Bytes of a stream that may be under way; the usual 64 KiB are too few for distant servers. */
const settings: Settings = { initialWindowSize: 1 << 20, maxHeaderListSize: 64 << 10, enablePush: false };
/** A guest may have as many requests at once in a connection. */
const mostAtOnce = 100;
/** How long a connection may be without a request, ms. */
const idleMs = 300_000;
const endsStream = constants.NGHTTP2_FLAG_END_STREAM;

/** Passes the requests of a guest's connection of HTTP/2 on to the server's, each judged by itself. */
export function serveHttp2(visit: SecureVisit, guest: TLSSocket, upstream: TLSSocket): void {
  const { socket } = visit.accepted;
  const client = connect(`https://${visit.secure.host}:${visit.secure.port}`, {
    createConnection: () => upstream,
    settings,
    // A server that pushes is not asked.
    maxReservedRemoteStreams: 0,
  });
  const server = performServerHandshake(guest, { settings: { ...settings, maxConcurrentStreams: mostAtOnce } });
  const end = (): void => {
    server.destroy();
    client.destroy();
    socket.destroy();
  };
  // The guest connects anew where the server has ended the connection, as it would without us.
  client.once('goaway', () => server.close());
  client.once('close', () => server.close());
  client.on('error', end);
  server.on('error', end);
  server.once('close', end);
  server.setTimeout(idleMs, () => server.close());
  server.on('stream', (stream, headers, flags, raw) => {
    stream.on('error', () => undefined);
    serveStream(visit, client, { stream, headers, raw, isEnded: (flags & endsStream) !== 0 }).catch(() =>
      stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    );
  });
}

/** A request of a guest. */
interface Asked {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** The same in their order, names and values by turns. */
  readonly raw: readonly string[];
  /** Whether it has no body. */
  readonly isEnded: boolean;
}

/** Explains a denial, and reads no more of the request. */
function deny({ accepted: { box } }: Visit, stream: ServerHttp2Stream, verdict: Verdict, target: Target): void {
  const body = explanationOf(box.tell(verdict, target, 'https'));
  if (stream.destroyed || stream.headersSent) return;
  const [status] = statusOf(verdict.code);
  stream.respond({ ':status': status, 'content-type': 'application/json', 'cache-control': 'no-store' });
  stream.end(body, () => stream.close(constants.NGHTTP2_NO_ERROR));
}

/** The target of a request, or why there is none. The name has to be that of the handshake, wherever it is given. */
function targetOf(
  { secure: { host, port, address, approved } }: SecureVisit,
  { headers, raw }: Asked,
): { readonly target: Target; readonly refused: Verdict | null } {
  const { ':method': method = '', ':path': path = '', ':authority': authority, host: named } = headers;
  const target: Target = { host, port, address, approved, request: { method, path } };
  const hosts = raw.filter((name, index) => index % 2 === 0 && name === 'host').length;
  if (method === 'CONNECT' || method === 'TRACE') return { target, refused: unsupported };
  if (headers[':scheme'] !== 'https' || hosts > 1 || (authority ?? named) === undefined)
    return { target, refused: malformed };
  if (!path.startsWith('/') && !(path === '*' && method === 'OPTIONS')) return { target, refused: malformed };
  for (const each of [authority, named]) {
    if (each === undefined) continue;
    const [, name = '', digits] = /^([^:]*)(?::(\d{1,5}))?$/.exec(each) ?? [];
    if (nameOf(name) !== host || Number(digits ?? port) !== port)
      return { target, refused: { ...malformed, code: 'misdirected' } };
  }
  return { target, refused: null };
}

async function serveStream(visit: SecureVisit, client: ClientHttp2Session, asked: Asked): Promise<void> {
  const { stream, headers, raw, isEnded } = asked;
  const { box } = visit.accepted;
  const refuse = (verdict: Verdict, to: Target): void => deny(visit, stream, verdict, to);
  const { target, refused } = targetOf(visit, asked);
  if (refused !== null) return refuse(refused, target);
  const plain = [...pairsOf(raw)].filter(([name]) => !name.startsWith(':') && name !== 'host').flat();
  const admitted = await admit(visit, target, { path: headers[':path'] ?? '', headers: plain });
  if ('refused' in admitted) return refuse(admitted.refused, target);
  const { verdict, placed } = admitted;
  const replaced = placed.wantsBody && !isEnded ? await replaceInBody(visit, target, stream, headers) : null;
  const used = [...placed.used, ...(replaced?.used ?? [])];
  if (!box.secrets.countRequest(used)) return refuse(spentOf(used), target);
  const veil = box.secrets.veilFor(target);
  const sent = replaced === null ? placed.headers : withLength(placed.headers, replaced.body.length);
  const request = outgoing(veil === null ? sent : askingReadably(sent), used.length > 0);
  request[':method'] = headers[':method'];
  request[':path'] = placed.path;
  request[':scheme'] = 'https';
  request[':authority'] = headers[':authority'] ?? headers.host;
  if (client.closed || client.destroyed) return refuse({ ...verdict, allowed: false, code: 'unreachable' }, target);
  box.tell(verdict, target, 'https', used);
  const upstream = client.request(request, { endStream: isEnded, waitForTrailers: !isEnded });
  const end = (): void => {
    stream.close(constants.NGHTTP2_CANCEL);
    upstream.close(constants.NGHTTP2_CANCEL);
  };
  const passage = box.enter({
    target: { ...target, address: visit.secure.address },
    protocol: 'https',
    secrets: used,
    end,
  });
  stream.once('close', () => {
    passage[Symbol.dispose]();
    if (!upstream.closed) upstream.close(stream.rstCode === 0 ? constants.NGHTTP2_CANCEL : stream.rstCode);
  });
  const meter = meterOf(visit, used);
  passTrailers(stream, upstream, (texts) => texts);
  if (!isEnded) {
    // Its failure is that of the request, which the answer tells of; a server may answer before it has read all.
    if (replaced === null) pump(stream, upstream, meter, watchBody(visit, target)).catch(() => undefined);
    else upstream.end(replaced.body);
  }
  const { promise: answered, resolve, reject } = Promise.withResolvers<Answer>();
  upstream.once('response', (head, flags, rawHead) =>
    resolve({ head, raw: rawHead, isEnded: (flags & endsStream) !== 0 }),
  );
  upstream.on('error', reject);
  upstream.once('close', () => reject(new Error('The server has closed the stream.')));
  upstream.once('continue', () => {
    if (!stream.headersSent && !stream.closed) stream.additionalHeaders({ ':status': 100 });
  });
  let answer: Answer;
  try {
    answer = await answered;
  } catch {
    return refuse({ ...verdict, allowed: false, code: 'unreachable' }, target);
  }
  if (stream.destroyed) return;
  const hide = (texts: readonly string[]): readonly string[] =>
    veil === null ? texts : texts.map((each) => veil.hide(each));
  const isEmpty = headers[':method'] === 'HEAD' || answer.isEnded;
  const readable = readableBody(upstream, isEmpty || veil === null ? undefined : answer.head['content-encoding']);
  if (readable === null) {
    upstream.close(constants.NGHTTP2_CANCEL);
    return refuse({ ...verdict, allowed: false, code: 'unreadable' }, target);
  }
  const dropped = new Set(['alt-svc', ...(readable.decoded ? ['content-encoding', 'content-length'] : [])]);
  const shown = [...pairsOf(answer.raw)].filter(([name]) => !name.startsWith(':') && !dropped.has(name)).flat();
  const response = outgoing(hide(shown), false);
  response[':status'] = answer.head[':status'];
  stream.respond(response, { endStream: answer.isEnded, waitForTrailers: !answer.isEnded });
  // A server may end a stream before it has read all of the request.
  let isSent = answer.isEnded;
  const closeToo = (): void => {
    const isOver = isSent && !stream.readableEnded;
    if (upstream.closed && (isOver || upstream.rstCode !== 0)) stream.close(upstream.rstCode);
  };
  upstream.once('close', closeToo);
  closeToo();
  if (answer.isEnded) return;
  passTrailers(upstream, stream, hide, () => {
    isSent = true;
    closeToo();
  });
  const filter: Filter | undefined = veil?.filter();
  try {
    await pump(readable.body, stream, meter, filter);
  } catch {
    if (!stream.closed) stream.close(upstream.rstCode === 0 ? constants.NGHTTP2_INTERNAL_ERROR : upstream.rstCode);
  }
}

/** The answer of a server. */
interface Answer {
  readonly head: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly raw: readonly string[];
  readonly isEnded: boolean;
}

/** The parts that the streams of both sides have. */
type Stream = Pick<Http2Stream, 'sendTrailers' | 'destroy'> & EventEmitter;

/** The trailers of one stream become those of the other, which is opened with `waitForTrailers`. */
function passTrailers(
  from: EventEmitter,
  to: Stream,
  change: (texts: readonly string[]) => readonly string[],
  onSent?: () => void,
): void {
  let trailers: OutgoingHttpHeaders = {};
  from.once('trailers', (_headers: unknown, _flags: unknown, raw: readonly string[]) => {
    trailers = outgoing(change(raw), false);
  });
  to.once('wantTrailers', () => {
    try {
      to.sendTrailers(trailers);
    } catch {
      // It has ended meanwhile, or these are none that may be sent.
      to.destroy();
    }
    onSent?.();
  });
}

/** @param holdsSecret: the peer is asked not to keep `authorization` and the like in its table */
function outgoing(pairs: readonly string[], holdsSecret: boolean): OutgoingHttpHeaders {
  const headers = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of pairsOf(pairs)) {
    const lower = name.toLowerCase();
    if (lower === 'te' && value !== 'trailers') continue;
    const before = headers[lower];
    if (before === undefined) headers[lower] = value;
    else headers[lower] = lower === 'cookie' ? `${String(before)}; ${value}` : [before, value].flat();
  }
  return holdsSecret ? { ...headers, [sensitiveHeaders]: Object.keys(headers) } : headers;
}

const withLength = (headers: readonly string[], length: number): string[] => [
  ...[...pairsOf(headers)].filter(([name]) => name.toLowerCase() !== 'content-length').flat(),
  ...['content-length', String(length)],
];
