import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, layoutAt, type Layout } from '@novasandbox/engine';

/** These are expensive to create and the same for all, so they are taken from the user's own state folder. */
const shared = [
  'agent',
  'confine',
  'listen',
  'kernels',
  'initramfs',
  'rootfs',
  'golden',
  'probes',
  'work',
  'toolchain',
  'templates',
  'vmm',
];

export interface BenchHome extends AsyncDisposable {
  readonly home: string;
  readonly layout: Layout;
}

/**
 * Creates a state folder for measurements, which then affect neither the user's sandboxes nor a running daemon. It is
 * removed at the end of the scope, with all sandboxes in it.
 */
export async function benchHome(): Promise<BenchHome> {
  await using undo = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'nova-bench-'));
  undo.defer(() => rm(home, { recursive: true, force: true }));
  await chmod(home, 0o711);
  const machine = layoutAt().home;
  for (const name of shared) {
    await mkdir(join(machine, name), { recursive: true, mode: 0o711 });
    await symlink(join(machine, name), join(home, name));
  }
  const layout = layoutAt(home);
  undo.defer(() => rm(layout.run, { recursive: true, force: true }));
  undo.defer(async () => {
    await using engine = await createEngine({ home });
    for (const { id } of await engine.sandboxes.list({ all: true })) await engine.sandboxes.remove(id, { force: true });
  });
  const held = undo.move();
  return { home, layout, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
