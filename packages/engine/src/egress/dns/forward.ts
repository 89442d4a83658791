import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

/** How long the name server of the host may take for an answer, ms. */
const answersWithinMs = 5000;
const port = 53;
/** How many queries of one sandbox may be under way at once; further ones are lost, as any datagram may be. */
const mostQueries = 128;

/**
 * Passes name queries on to the name server of the host, as they are. Null: there is none, it has not answered in time,
 * or too many are asked at once. `asker` is whose queries are counted together.
 */
export interface QueryForwarding {
  overUdp(asker: object, query: Buffer): Promise<Buffer | null>;
  overTcp(asker: object, query: Buffer): Promise<Buffer | null>;
}

/** @param server gives the address of the name server; null where there is none */
export function queryForwarding(server: () => string | null, at = port): QueryForwarding {
  const underWay = new WeakMap<object, number>();
  const limited =
    (ask: (host: string, query: Buffer) => Promise<Buffer | null>) =>
    async (asker: object, query: Buffer): Promise<Buffer | null> => {
      const host = server();
      const count = underWay.get(asker) ?? 0;
      if (host === null || count >= mostQueries) return null;
      underWay.set(asker, count + 1);
      try {
        return await ask(host, query);
      } finally {
        underWay.set(asker, (underWay.get(asker) ?? 1) - 1);
      }
    };
  return {
    overUdp: limited((host, query) => askOverUdp(host, at, query)),
    overTcp: limited((host, query) => askOverTcp(host, at, query)),
  };
}

/** From a port of its own for each query, and only an answer to this query counts. */
function askOverUdp(host: string, at: number, query: Buffer): Promise<Buffer | null> {
  const { promise, resolve } = Promise.withResolvers<Buffer | null>();
  const socket = createSocket('udp4');
  const timer = setTimeout(() => resolve(null), answersWithinMs);
  socket.on('error', () => resolve(null));
  socket.on('message', (message) => {
    if (message.length >= 2 && message.readUInt16BE(0) === query.readUInt16BE(0)) resolve(message);
  });
  socket.connect(at, host, () => socket.send(query, () => undefined));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

function askOverTcp(host: string, at: number, query: Buffer): Promise<Buffer | null> {
  const { promise, resolve } = Promise.withResolvers<Buffer | null>();
  const socket = connect({ host, port: at, noDelay: true });
  const timer = setTimeout(() => resolve(null), answersWithinMs);
  let received = Buffer.alloc(0);
  socket.on('error', () => resolve(null)).on('close', () => resolve(null));
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    const end = received.length < 2 ? Infinity : 2 + received.readUInt16BE(0);
    if (received.length >= end) resolve(received.subarray(2, end));
  });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  socket.write(Buffer.concat([length, query]));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}
