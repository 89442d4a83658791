import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, Worker, workerData } from 'node:worker_threads';

const everyMs = 5;

/**
 * How long `/health` of a daemon took to answer, and how much of that its main thread worked: a busy machine adds only
 * to the first.
 */
interface Answered {
  readonly ms: number;
  readonly workedMs: number;
}

export interface HealthWatch {
  /** Ends the watch. */
  end(): Promise<{ readonly asked: number; readonly median: Answered; readonly slowest: Answered }>;
}

/**
 * Requests `/health` repeatedly on one connection, in a thread of its own, so that the load of a test does not slow it.
 */
export async function watchHealth(url: string, pid: number): Promise<HealthWatch> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { healthOf: { url, pid } } });
  await once(worker, 'message');
  return {
    async end() {
      const told = once(worker, 'message');
      worker.postMessage('end');
      const [answers] = (await told) as [Answered[]];
      await worker.terminate();
      const at = (place: (count: number) => number): Answered => {
        const of = (field: keyof Answered): number =>
          answers.map((answer) => answer[field]).toSorted((a, b) => a - b)[place(answers.length)] ?? 0;
        return { ms: of('ms'), workedMs: of('workedMs') };
      };
      return { asked: answers.length, median: at((count) => count >> 1), slowest: at((count) => count - 1) };
    },
  };
}

/** Time on a processor, ns. */
const workedNs = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]);

async function watch({ url, pid }: HealthOf): Promise<void> {
  const { hostname, port } = new URL(url);
  // It uses an address of its own, so that limits on other addresses do not refuse it.
  const socket = connect({ port: Number(port), host: hostname, localAddress: '127.0.0.9' });
  await once(socket, 'connect');
  const answers: Answered[] = [];
  let ended = false;
  parentPort?.once('message', () => (ended = true));
  parentPort?.postMessage('begun');
  while (!ended) {
    const [askedAt, workedBefore] = [performance.now(), workedNs(pid)];
    socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'data');
    answers.push({ ms: performance.now() - askedAt, workedMs: (workedNs(pid) - workedBefore) / 1e6 });
    await delay(everyMs);
  }
  socket.destroy();
  parentPort?.postMessage(answers);
}

interface HealthOf {
  readonly url: string;
  readonly pid: number;
}
const { healthOf } = (workerData ?? {}) as { readonly healthOf?: HealthOf };
if (healthOf !== undefined) await watch(healthOf);
