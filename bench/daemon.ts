import { chmod, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, layoutAt, type Engine } from '@novasandbox/engine';
import { serve, serverConfigSchema } from '@novasandbox/server';

export interface BenchDaemon extends AsyncDisposable {
  readonly url: string;
  readonly apiKey: string;
  /** On the same sandboxes, past the daemon. */
  readonly engine: Engine;
}

/** Dear to make and the same for all: everything else of the state folder is the daemon's own, so that one that runs here is left alone. */
const shared = ['agent', 'kernels', 'initramfs', 'rootfs', 'snapshots', 'probes', 'work', 'toolchain'];

/** A daemon in this process on a state folder that goes with it. */
export async function benchDaemon(): Promise<BenchDaemon> {
  await using undo = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'nova-bench-'));
  undo.defer(() => rm(home, { recursive: true, force: true }));
  await chmod(home, 0o711);
  const machine = layoutAt().home;
  for (const name of shared) {
    await mkdir(join(machine, name), { recursive: true, mode: 0o711 });
    await symlink(join(machine, name), join(home, name));
  }
  const { run } = layoutAt(home);
  undo.defer(() => rm(run, { recursive: true, force: true }));
  const config = serverConfigSchema.parse({ server: { port: 0 }, monitoring: { log_level: 'silent' } });
  const daemon = undo.use(await serve(config, { home }));
  const engine = undo.use(await createEngine({ home }));
  const key = (await readFile(daemon.keyFile, 'utf8')).trim();
  const held = undo.move();
  return {
    url: daemon.url,
    apiKey: key.replace(/^nova_/, 'e2b_'),
    engine,
    [Symbol.asyncDispose]: async () => {
      for (const { id } of await engine.sandboxes.list({ all: true }))
        await engine.sandboxes.remove(id, { force: true });
      await held.disposeAsync();
    },
  };
}
