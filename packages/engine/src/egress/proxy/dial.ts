import { connect, type Socket } from 'node:net';

/** How long an address may take to accept a connection, ms. */
const answersWithinMs = 10_000;

/**
 * Connects to the first of the addresses that accepts. They have been judged: nothing is resolved here. Rejects with
 * the failure of the last one.
 */
export async function dial(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Socket> {
  let failure: unknown = new Error('There is no address to connect to.');
  for (const address of addresses) {
    signal.throwIfAborted();
    try {
      return await connectTo(address, port, signal);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function connectTo(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const fail = (error: Error): void => {
    socket.destroy();
    reject(error);
  };
  const onAbort = (): void => fail(new Error('Nobody waits for it any more.'));
  const timer = setTimeout(() => fail(new Error(`${host} did not answer in time.`)), answersWithinMs);
  signal.addEventListener('abort', onAbort, { once: true });
  // Errors after it is connected reach whoever uses it; none may end the process.
  socket.on('error', fail);
  socket.once('connect', () => {
    socket.setKeepAlive(true, keepAliveMs);
    resolve(socket);
  });
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  });
}

/** A peer that has gone without a word is found out after some minutes. */
export const keepAliveMs = 60_000;
