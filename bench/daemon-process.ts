import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { benchHome } from './home.ts';

const main = join(import.meta.dirname, '../packages/cli/src/main.ts');

export interface DaemonProcess extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  /** Time from the start of the process to its first response. */
  readonly firstAnswerMs: number;
  rssMb(): Promise<number>;
  /** Uses one persistent connection and Node's plain HTTP, because the overhead of `fetch` is not the daemon's. */
  call(method: string, path: string, body?: unknown): Promise<unknown>;
}

/** Runs `nova serve` as users do, on a state folder that is removed with it. */
export async function daemonProcess(signal: AbortSignal): Promise<DaemonProcess> {
  signal.throwIfAborted();
  await using undo = new AsyncDisposableStack();
  const { home, layout } = undo.use(await benchHome());
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'serve', '--port', '0'], {
    env: {
      ...process.env,
      NOVA_HOME: home,
      NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0',
      NOVA_SERVER_SHUTDOWN: 'stop',
      NOVA_SERVER_DRAIN_SECONDS: '1',
      // The sandboxes that are measured are not taken from the pool; the measure `pool` is about it.
      NOVA_POOL_SIZE: '0',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
    // Ctrl-C in a terminal is meant for us; we end the daemon.
    detached: true,
  });
  const ended = once(child, 'exit');
  undo.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  const url = /listens on (\S+)/.exec(said.toString())?.[1] ?? '';
  await fetch(`${url}/health`);
  const firstAnswerMs = performance.now() - startedAt;
  const key = (await readFile(layout.daemon.keyFile, 'utf8')).trim();
  const agent = new Agent({ keepAlive: true });
  undo.defer(() => agent.destroy());
  const held = undo.move();
  return {
    url,
    key,
    firstAnswerMs,
    async rssMb() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
    },
    async call(method, path, body) {
      const text = body === undefined ? '' : JSON.stringify(body);
      const sent = request(`${url}/api/v1${path}`, {
        method,
        agent,
        signal,
        headers: {
          'x-api-key': key,
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
      });
      sent.end(text);
      const [answer] = (await once(sent, 'response')) as [IncomingMessage];
      let said = '';
      for await (const part of answer.setEncoding('utf8')) said += String(part);
      if ((answer.statusCode ?? 0) >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${said}`);
      return said === '' ? null : (JSON.parse(said) as unknown);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
