import { connect } from 'node:net';

export interface Load {
  readonly requestsPerSecond: number;
  readonly latenciesMs: readonly number[];
  readonly failures: number;
}

/**
 * Repeats the same request on the given number of connections; each waits for its response before it asks again. It is
 * written on sockets because a client library would use more of the two cores than the daemon that is measured.
 */
export async function load(
  url: string,
  request: { readonly path: string; readonly key: string },
  { clients, seconds }: { readonly clients: number; readonly seconds: number },
): Promise<Load> {
  const { hostname, port } = new URL(url);
  const bytes = Buffer.from(`GET ${request.path} HTTP/1.1\r\nHost: ${hostname}\r\nX-API-Key: ${request.key}\r\n\r\n`);
  const latenciesMs: number[] = [];
  let failures = 0;
  const startedAt = performance.now();
  const end = startedAt + seconds * 1000;
  const client = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      let askedAt = 0;
      let buffered = '';
      const ask = (): void => {
        if (performance.now() >= end) {
          socket.destroy();
          resolve();
          return;
        }
        askedAt = performance.now();
        socket.write(bytes);
      };
      socket.on('error', reject);
      // A connection closed by the daemon would be waited for without end. After the measurement, rejecting has no
      // effect.
      socket.on('close', () => reject(new Error('the daemon has closed a connection')));
      socket.on('connect', ask);
      socket.on('data', (data) => {
        buffered += data.toString('latin1');
        const headers = buffered.indexOf('\r\n\r\n');
        if (headers < 0) return;
        const length = Number(/content-length: (\d+)/i.exec(buffered)?.[1]);
        if (buffered.length < headers + 4 + length) return;
        if (!buffered.startsWith('HTTP/1.1 200')) failures += 1;
        buffered = '';
        latenciesMs.push(performance.now() - askedAt);
        ask();
      });
    });
  await Promise.all(Array.from({ length: clients }, client));
  return { requestsPerSecond: (latenciesMs.length * 1000) / (performance.now() - startedAt), latenciesMs, failures };
}
