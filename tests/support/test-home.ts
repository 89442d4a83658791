import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutAt, prepareLayout, type Layout } from '@novasandbox/engine';

/** What is content-addressed and dear to make: shared with the machine's own state folder. */
const shared = [
  'agent',
  'confine',
  'kernels',
  'initramfs',
  'rootfs',
  'snapshots',
  'probes',
  'work',
  'toolchain',
  'lab',
];

export interface TestHome extends AsyncDisposable {
  readonly home: string;
  readonly layout: Layout;
  /** Environment for child processes that shall use this state folder. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * A state folder of a test's own: no sandboxes, but the machine's kernels, images and snapshots. Gone with all that lies in it when disposed.
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
  return {
    home,
    layout,
    env: { ...process.env, NOVA_HOME: home },
    [Symbol.asyncDispose]: async () => {
      await rm(layout.run, { recursive: true, force: true });
      await rm(home, { recursive: true, force: true });
    },
  };
}
