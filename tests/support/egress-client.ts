import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/**
 * A program of the guest in egress tests: it does what it is told over its channel, byte by byte where a well-behaved
 * client would refuse to.
 */
export type Order =
  /** Connects, sends bytes, and tells what came until the other side ended, or nothing came for `quietMs`. */
  | {
      readonly kind: 'exchange';
      readonly host: string;
      readonly port: number;
      readonly send: string;
      readonly quietMs?: number;
    }
  | { readonly kind: 'tls'; readonly host: string; readonly servername: string | null }
  /** A query as bytes, to a server, by UDP. */
  | { readonly kind: 'query'; readonly server: string; readonly message: string }
  | { readonly kind: 'datagram'; readonly host: string; readonly port: number }
  /** Opens so many connections that send the same and read nothing, and keeps them. */
  | {
      readonly kind: 'open';
      readonly host: string;
      readonly port: number;
      readonly send: string;
      readonly count: number;
    }
  /** Tells how many of them are there. */
  | { readonly kind: 'count' }
  /** Sends TLS hellos for so many names, one connection each. */
  | { readonly kind: 'names'; readonly host: string; readonly count: number }
  | { readonly kind: 'close' }
  /** Sends so many queries, some of them at once, and tells how long each answer took, ms. */
  | {
      readonly kind: 'queries';
      readonly server: string;
      readonly message: string;
      readonly count: number;
      readonly atOnce: number;
    }
  /** Connects so many times, sends a line, and tells how long the first byte took from the beginning, ms. */
  | { readonly kind: 'first bytes'; readonly host: string; readonly port: number; readonly count: number }
  /** Asks the server of streams for so many bytes (egress-servers.ts), and tells how many came. */
  | { readonly kind: 'stream'; readonly host: string; readonly bytes: number };

export interface Outcome {
  /** Of the other side, as Latin-1; for `count` and `names` a number of connections; for others numbers as JSON. */
  readonly received: string;
  readonly error: string | null;
  readonly ms: number;
}

const held = new Set<Socket>();

function exchange(host: string, port: number, send: string, quietMs: number): Promise<Omit<Outcome, 'ms'>> {
  const { promise, resolve } = Promise.withResolvers<Omit<Outcome, 'ms'>>();
  const socket = connect({ host, port, family: 4 });
  let received = '';
  let timer = setTimeout(() => end(null), 10_000);
  const end = (error: string | null): void => {
    clearTimeout(timer);
    socket.destroy();
    resolve({ received, error });
  };
  socket.on('connect', () => socket.write(Buffer.from(send, 'latin1')));
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
    clearTimeout(timer);
    timer = setTimeout(() => end(null), quietMs);
  });
  socket.on('end', () => end(null));
  socket.on('error', (error) => end('code' in error ? String(error.code) : error.message));
  return promise;
}

function handshake(host: string, servername: string | null): Promise<Omit<Outcome, 'ms'>> {
  const { promise, resolve } = Promise.withResolvers<Omit<Outcome, 'ms'>>();
  // Node sends no name where the name is an address or empty.
  const socket = connectTls({ host, port: 443, rejectUnauthorized: false, servername: servername ?? '' });
  let received = '';
  socket.on('secureConnect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  socket.on('end', () => resolve({ received, error: null }));
  socket.on('error', (error) => resolve({ received, error: 'code' in error ? String(error.code) : error.message }));
  return promise;
}

function datagram(host: string, port: number, message: Buffer, withinMs: number): Promise<Omit<Outcome, 'ms'>> {
  const { promise, resolve } = Promise.withResolvers<Omit<Outcome, 'ms'>>();
  const socket = createSocket('udp4');
  const end = (received: string, error: string | null): void => {
    clearTimeout(timer);
    socket.close();
    resolve({ received, error });
  };
  const timer = setTimeout(() => end('', 'nothing'), withinMs);
  socket.on('message', (answer) => end(answer.toString('latin1'), null));
  socket.on('error', (error) => end('', 'code' in error ? String(error.code) : error.message));
  socket.connect(port, host, () => socket.send(message));
  return promise;
}

async function open(host: string, port: number, send: string, count: number): Promise<Omit<Outcome, 'ms'>> {
  const opened = Array.from({ length: count }, async () => {
    const socket = connect({ host, port, family: 4 });
    held.add(socket);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    socket.on('error', () => undefined);
    socket.on('connect', () => socket.write(Buffer.from(send, 'latin1'), () => resolve(undefined)));
    socket.on('close', () => resolve(undefined));
    await promise;
  });
  await Promise.all(opened);
  return { received: '', error: null };
}

/** The shortest TLS hello for a name. */
function helloFor(name: string): string {
  const sized = (bytes: 1 | 2 | 3, text: string): string => {
    const length = Buffer.alloc(bytes);
    length.writeUIntBE(text.length, 0, bytes);
    return length.toString('latin1') + text;
  };
  const extension = `\0\0${sized(2, sized(2, `\0${sized(2, name)}`))}`;
  const body = `\x03\x03${'r'.repeat(32)}${sized(1, '')}${sized(2, '\x13\x01')}${sized(1, '\0')}${sized(2, extension)}`;
  return `\x16\x03\x01${sized(2, `\x01${sized(3, body)}`)}`;
}

async function names(host: string, count: number): Promise<Omit<Outcome, 'ms'>> {
  let refused = 0;
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const { error } = await exchange(host, 443, helloFor(`n${index}.${'x'.repeat(50)}.test`), 5000);
      if (error === 'ECONNRESET') refused += 1;
    }
  };
  await Promise.all(Array.from({ length: 32 }, work));
  return { received: String(refused), error: null };
}

async function queries(server: string, message: string, count: number, atOnce: number): Promise<Omit<Outcome, 'ms'>> {
  const socket = createSocket('udp4');
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  socket.connect(53, server, resolve);
  await connected;
  const query = Buffer.from(message, 'latin1');
  const sentAt = new Map<number, number>();
  const times: number[] = [];
  const { promise, resolve: end, reject } = Promise.withResolvers<void>();
  let next = 0;
  const send = (): void => {
    if (next >= count) return;
    const id = next++ & 0xffff;
    query.writeUInt16BE(id, 0);
    sentAt.set(id, performance.now());
    socket.send(Buffer.from(query));
  };
  socket.on('error', reject);
  socket.on('message', (answer) => {
    const at = sentAt.get(answer.readUInt16BE(0));
    if (at === undefined) return;
    times.push(performance.now() - at);
    if (times.length === count) end();
    else send();
  });
  for (let index = 0; index < atOnce; index += 1) send();
  try {
    await promise;
  } finally {
    socket.close();
  }
  return { received: JSON.stringify(times), error: null };
}

async function firstBytes(host: string, port: number, count: number): Promise<Omit<Outcome, 'ms'>> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startedAt = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect({ host, port, noDelay: true });
    socket.once('connect', () => socket.write('first\n'));
    socket.once('data', () => resolve()).on('error', reject);
    await promise;
    times.push(performance.now() - startedAt);
    socket.destroy();
  }
  return { received: JSON.stringify(times), error: null };
}

function stream(host: string, bytes: number): Promise<Omit<Outcome, 'ms'>> {
  const { promise, resolve, reject } = Promise.withResolvers<Omit<Outcome, 'ms'>>();
  const socket = connect({ host, port: 2223, noDelay: true });
  let received = 0;
  socket.once('connect', () => socket.write(`${bytes}\n`));
  socket.on('data', (chunk) => (received += chunk.length));
  socket.on('end', () => resolve({ received: String(received), error: null }));
  socket.on('error', reject);
  return promise;
}

async function follow(order: Order): Promise<Omit<Outcome, 'ms'>> {
  switch (order.kind) {
    case 'exchange':
      return exchange(order.host, order.port, order.send, order.quietMs ?? 2000);
    case 'tls':
      return handshake(order.host, order.servername);
    case 'query':
      return datagram(order.server, 53, Buffer.from(order.message, 'latin1'), 5000);
    case 'datagram':
      return datagram(order.host, order.port, Buffer.from('hello'), 3000);
    case 'open':
      return open(order.host, order.port, order.send, order.count);
    case 'count':
      return { received: String([...held].filter((socket) => !socket.destroyed).length), error: null };
    case 'names':
      return names(order.host, order.count);
    case 'queries':
      return queries(order.server, order.message, order.count, order.atOnce);
    case 'first bytes':
      return firstBytes(order.host, order.port, order.count);
    case 'stream':
      return stream(order.host, order.bytes);
    case 'close':
      for (const socket of held) socket.destroy();
      held.clear();
      return { received: '', error: null };
  }
}

process.on('message', ({ id, order }: { readonly id: number; readonly order: Order }) => {
  const startedAt = performance.now();
  follow(order).then(
    (outcome) => process.send?.({ id, outcome: { ...outcome, ms: performance.now() - startedAt } }),
    (error: unknown) => process.send?.({ id, outcome: { received: '', error: String(error), ms: 0 } }),
  );
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
