import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, Worker, workerData } from 'node:worker_threads';

const everyMs = 5;

/** How long `/health` of a daemon took to answer while it was watched, ms. */
export interface HealthWatch {
  /** Ends the watch. */
  end(): Promise<{ readonly asked: number; readonly medianMs: number; readonly slowestMs: number }>;
}

/**
 * Asks for `/health` again and again on one connection, in a thread of its own: the load that a test makes does not
 * slow it.
 */
export async function watchHealth(url: string): Promise<HealthWatch> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { healthOf: url } });
  await once(worker, 'message');
  return {
    async end() {
      const told = once(worker, 'message');
      worker.postMessage('end');
      const [latencies] = (await told) as [number[]];
      await worker.terminate();
      const sorted = latencies.toSorted((a, b) => a - b);
      return { asked: sorted.length, medianMs: sorted[sorted.length >> 1] ?? 0, slowestMs: sorted.at(-1) ?? 0 };
    },
  };
}

async function watch(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  // An address of its own: what others are refused at theirs is not refused here.
  const socket = connect({ port: Number(port), host: hostname, localAddress: '127.0.0.9' });
  await once(socket, 'connect');
  const latencies: number[] = [];
  let ended = false;
  parentPort?.once('message', () => (ended = true));
  parentPort?.postMessage('begun');
  while (!ended) {
    const askedAt = performance.now();
    socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'data');
    latencies.push(performance.now() - askedAt);
    await delay(everyMs);
  }
  socket.destroy();
  parentPort?.postMessage(latencies);
}

const { healthOf } = (workerData ?? {}) as { readonly healthOf?: string };
if (healthOf !== undefined) await watch(healthOf);
