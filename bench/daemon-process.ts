import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutAt } from '@novasandbox/engine';

/** Dear to make and the same for all; everything else of the state folder is the daemon's own, so that one that runs here is left alone. */
const shared = ['agent', 'kernels', 'initramfs', 'rootfs', 'snapshots', 'probes', 'work', 'toolchain'];
const main = join(import.meta.dirname, '../packages/cli/src/main.ts');

export interface DaemonProcess extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  /** From the start of the process to its first answer. */
  readonly firstAnswerMs: number;
  rssMb(): Promise<number>;
  call(method: string, path: string, body?: unknown): Promise<unknown>;
}

/** `nova serve` as users run it, on a state folder that goes with it. */
export async function daemonProcess(): Promise<DaemonProcess> {
  const home = await mkdtemp(join(tmpdir(), 'nova-bench-'));
  await chmod(home, 0o711);
  for (const name of shared) {
    await mkdir(join(layoutAt().home, name), { recursive: true, mode: 0o711 });
    await symlink(join(layoutAt().home, name), join(home, name));
  }
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'serve', '--port', '0'], {
    env: {
      ...process.env,
      NOVA_HOME: home,
      NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0',
      NOVA_SERVER_SHUTDOWN: 'stop',
      NOVA_SERVER_DRAIN_SECONDS: '1',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  const url = /listens on (\S+)/.exec(said.toString())?.[1] ?? '';
  await fetch(`${url}/health`);
  const firstAnswerMs = performance.now() - startedAt;
  const key = (await readFile(layoutAt(home).daemon.keyFile, 'utf8')).trim();
  return {
    url,
    key,
    firstAnswerMs,
    async rssMb() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
    },
    async call(method, path, body) {
      const response = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: { 'x-api-key': key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text === '' ? null : (JSON.parse(text) as unknown);
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      await rm(layoutAt(home).run, { recursive: true, force: true });
      await rm(home, { recursive: true, force: true });
    },
  };
}
