import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createOlderServer } from 'node:https';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createTcpServer } from 'node:net';
import type { Duplex, Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { issuerOf, makeAuthority } from '../../packages/engine/src/certificates/authority.ts';
import { serveGit } from './git-server.ts';
import { sendCoded, sendForms } from './secret-echo.ts';

/**
 * The servers of the world that egress tests reach (egress-world.ts). They say what arrived, so that a test sees both
 * what a guest got and what left for the outside.
 *
 *     node egress-servers.ts KEY CERTIFICATE REPOSITORIES
 */
const [, , key = '', certificate = '', repositories = ''] = process.argv;

/** Everything that has arrived, by kind. */
export interface Seen {
  /** Names that were asked for. */
  readonly names: string[];
  /** Datagrams to other ports than that of name service. */
  datagrams: number;
  /** Connections to ports that nobody should reach. */
  connections: number;
}
const seen: Seen = { names: [], datagrams: 0, connections: 0 };

const [first, second] = ['198.51.100.2', '198.51.100.3'] as const;
let rebinds = 0;

/** The addresses of a name; null where there is no such name. */
function addressesOf(name: string): { readonly four?: string; readonly six?: string } | null {
  if (name === 'allowed.test' || name.endsWith('.wild.test') || name.endsWith('.open.test')) return { four: first };
  if (name === 'other.test') return { four: second };
  if (name === 'private.test') return { four: '10.9.8.7' };
  if (name === 'metadata.test') return { four: '169.254.169.254' };
  if (name === 'loop.test') return { four: '127.0.0.1' };
  if (name === 'own.test') return { four: '198.51.100.1' };
  if (name === 'mapped.test') return { six: '::ffff:169.254.169.254' };
  if (name === 'nat64.test') return { six: '64:ff9b::a9fe:a9fe' };
  // Public at first, and then the host itself.
  if (name === 'rebind.test') return { four: rebinds++ === 0 ? first : '127.0.0.1' };
  return null;
}

const names = createSocket('udp4');
names.on('message', (query, { port, address }) => {
  const end = query.indexOf(0, 12) + 5;
  const labels: string[] = [];
  for (let at = 12; at < end - 5; at += (query[at] ?? 0) + 1)
    labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] ?? 0)));
  const name = labels.join('.');
  const type = query.readUInt16BE(end - 4);
  seen.names.push(name);
  const found = addressesOf(name);
  const data = type === 1 ? fourOf(found?.four) : type === 28 ? sixOf(found?.six) : null;
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(found === null ? 0x8183 : 0x8180, 2);
  header.writeUInt16BE(data === null ? 0 : 1, 6);
  header.fill(0, 8);
  // Answers are believed for a second at least, so that rebinding is seen only after it.
  const record = data === null ? [] : [Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]), data];
  names.send([header, query.subarray(12, end), ...record], port, address);
});
const fourOf = (address: string | undefined): Buffer | null =>
  address === undefined ? null : Buffer.from(address.split('.').map(Number));
function sixOf(address: string | undefined): Buffer | null {
  if (address === undefined) return null;
  const hidden = Buffer.from([0xa9, 0xfe, 0xa9, 0xfe]);
  const prefix = address.startsWith('64:') ? Buffer.from([0, 0x64, 0xff, 0x9b]) : Buffer.alloc(4);
  const middle = address.startsWith('64:') ? Buffer.alloc(8) : Buffer.from([0, 0, 0, 0, 0, 0, 0xff, 0xff]);
  return Buffer.concat([prefix, middle, hidden]);
}

function strangersIdentity() {
  const { certificate: cert, key: own } = issuerOf(makeAuthority()).issueFor('allowed.test');
  return { cert, key: own };
}

const answer = (request: IncomingMessage, response: ServerResponse): void => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
  if (pathname === '/bytes') return sendBytes(Number(searchParams.get('count')), response);
  if (pathname === '/redirect') return void response.writeHead(302, { location: 'http://other.test/' }).end();
  if (pathname === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    return void response.write('data: first\n\n');
  }
  const hash = createHash('sha256');
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    length += chunk.length;
  });
  request.on('end', () => {
    const { method, url, rawHeaders, httpVersion } = request;
    const body = JSON.stringify({
      at: request.socket.localAddress,
      serverName: (request.socket as Partial<TLSSocket>).servername ?? null,
      ...{ method, url, rawHeaders, httpVersion, length, sha256: hash.digest('hex') },
    });
    response.writeHead(200, {
      'content-type': 'application/json',
      'alt-svc': 'h3=":443"',
      ...(httpVersion === '1.0' ? {} : { trailer: 'x-end' }),
    });
    response.write(`${body}\n`);
    response.addTrailers({ 'x-end': 'yes' });
    response.end();
  });
};

const block = Buffer.alloc(64 << 10, 'novasandbox');
function sendBytes(count: number, response: Writable): void {
  let left = count;
  const goOn = (): void => {
    while (left > 0) {
      const part = block.subarray(0, Math.min(left, block.length));
      left -= part.length;
      if (!response.write(part)) return void response.once('drain', goOn);
    }
    response.end();
  };
  goOn();
}

const plain = createServer(answer);
function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on('error', () => undefined);
  const extensions = request.headers['sec-websocket-extensions'] ?? 'none';
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Extensions: ${extensions}\r\n\r\n`,
  );
  socket.write(request.headers['x-api-key'] ?? '');
  socket.write(head);
  socket.pipe(socket);
}
plain.on('upgrade', upgrade);

const identity = { key: readFileSync(key), cert: readFileSync(certificate) };
/** What is special to requests over TLS: those about secrets, gRPC and git. */
function answerSecurely(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const plain = [request as unknown as IncomingMessage, response as unknown as ServerResponse] as const;
  const { pathname } = new URL(request.url, 'https://x');
  if (pathname === '/forms') return sendForms(request, response);
  if (pathname.startsWith('/coded/')) return sendCoded(pathname.slice('/coded/'.length), request, response);
  if (pathname.endsWith('.git') || pathname.includes('.git/')) return serveGit(...plain, repositories);
  return answer(...plain);
}
const secure = createSecureServer({ ...identity, allowHTTP1: true, noDelay: true }, answerSecurely);
secure.on('upgrade', upgrade);
/** Speaks HTTP/1 alone. */
const older = createOlderServer(identity, answer);
/** gRPC: the same messages back, and the status in the trailers. */
const grpc = createSecureServer(identity);
grpc.on('stream', (stream: ServerHttp2Stream, { ':path': path = '' }) => {
  stream.on('error', () => undefined);
  const status = { 'grpc-status': path.endsWith('/Fail') ? '7' : '0', 'grpc-message': 'done' };
  if (path.endsWith('/Fail')) {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...status }, { endStream: true });
    return;
  }
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(status));
  stream.pipe(stream);
});
/** Its certificate is its own. */
const stranger = createSecureServer({ ...strangersIdentity(), allowHTTP1: true }, answerSecurely);
/** Speaks first, as SSH does, and then sends back what it gets. */
const greeting = createTcpServer((socket) => {
  socket.on('error', () => undefined);
  socket.write('hello\n');
  socket.pipe(socket);
});
/** Sends as many bytes as the first line says. */
const streams = createTcpServer({ noDelay: true }, (socket) => {
  socket.on('error', () => undefined);
  socket.once('data', (line: Buffer) => sendBytes(Number(line.toString()), socket));
});
const forbidden = createTcpServer((socket) => {
  seen.connections += 1;
  socket.destroy();
});
const datagrams = [443, 123, 9999].map((port) => {
  const socket = createSocket('udp4');
  socket.on('message', () => (seen.datagrams += 1));
  return once(socket.bind(port, '0.0.0.0'), 'listening');
});

await Promise.all([
  once(names.bind(53, '0.0.0.0'), 'listening'),
  once(plain.listen(80, '0.0.0.0'), 'listening'),
  once(secure.listen(443, '0.0.0.0'), 'listening'),
  once(older.listen(8443, '0.0.0.0'), 'listening'),
  once(grpc.listen(8444, '0.0.0.0'), 'listening'),
  once(stranger.listen(8445, '0.0.0.0'), 'listening'),
  once(greeting.listen(2222, '0.0.0.0'), 'listening'),
  once(streams.listen(2223, '0.0.0.0'), 'listening'),
  once(forbidden.listen(9999, '0.0.0.0'), 'listening'),
  ...datagrams,
]);
process.on('message', () => process.send?.(seen));
process.on('disconnect', () => process.exit());
process.send?.('ready');
