import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutAt, prepareLayout, type Layout } from '@novasandbox/engine';
import { egressProcesses } from './egress-process.ts';
import { watchBelongings } from './belongings.ts';

/** Content-addressed files that are expensive to make. They are shared with the machine's own state folder. */
const shared = [
  ...['agent', 'confine', 'listen', 'kernels', 'initramfs', 'rootfs', 'golden', 'probes', 'work', 'toolchain', 'lab'],
];

export interface TestHome extends AsyncDisposable {
  readonly home: string;
  readonly layout: Layout;
  /** Environment for child processes that use this state folder. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * A state folder for one test: no sandboxes, but the machine's kernels, images and snapshots. It is removed with all
 * its contents when disposed.
 * @param options.at an empty folder for it; default: a new one
 */
export async function testHome(
  options: { readonly own?: readonly string[]; readonly at?: string } = {},
): Promise<TestHome> {
  const home = options.at ?? (await mkdtemp(join(tmpdir(), 'nova-test-')));
  // VMMs of other users must be able to pass through.
  await chmod(home, 0o711);
  const machine = layoutAt();
  for (const name of shared) {
    await mkdir(join(machine.home, name), { recursive: true, mode: 0o711 });
    if (options.own?.includes(name) !== true) await symlink(join(machine.home, name), join(home, name));
  }
  const layout = layoutAt(home);
  prepareLayout(layout);
  const belongings = watchBelongings(layout);
  return {
    home,
    layout,
    // Clones of a warm pool would take the machine from the tests beside; tests of the pool ask for it.
    env: { ...process.env, NOVA_HOME: home, NOVA_POOL_SIZE: '0' },
    [Symbol.asyncDispose]: async () => {
      belongings[Symbol.dispose]();
      // It would end by itself a minute after its last sandbox.
      if (process.platform === 'linux') for (const pid of egressProcesses(layout)) process.kill(pid, 'SIGTERM');
      await rm(layout.run, { recursive: true, force: true });
      await rm(home, { recursive: true, force: true });
    },
  };
}
