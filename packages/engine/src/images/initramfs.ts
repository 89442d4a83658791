import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layout } from '../layout.ts';
import type { GuestKernel, ImageOptions, Initramfs } from '../ports/image-source.ts';
import type { AgentBinary } from './agent.ts';
import { cpioArchive, type ArchiveEntry } from './cpio.ts';
import { modulesOf } from './kernel.ts';
import { withLock } from '../artifacts/lock.ts';
import { guestModules, orderedModules, type KernelModule } from './modules.ts';
import { onDemandModules, onDemandRecipe } from './on-demand-modules.ts';
import { flush, publish } from '../artifacts/publish.ts';
import { sha256 } from '../artifacts/stamp.ts';
import { step } from '../artifacts/step.ts';

/** Raise it when the archive changes for the same agent and kernel. */
const recipeVersion = 2;

/**
 * The first file system of a guest, as guest/BOOT.md describes it. `moreModules` are loaded after those that every
 * guest has.
 */
export async function guestInitramfs(
  layout: Layout,
  kernel: GuestKernel,
  agent: AgentBinary,
  { moreModules = [], ...options }: ImageOptions & { readonly moreModules?: readonly string[] },
): Promise<Initramfs> {
  const wanted = [...guestModules, ...moreModules];
  const digest = initramfsDigest(kernel, agent, wanted);
  const initramfs = { digest, path: join(layout.initramfs(digest), 'initramfs.cpio') };
  if (existsSync(initramfs.path)) return initramfs;
  await withLock(layout.initramfs('lock'), options, async () => {
    if (existsSync(initramfs.path)) return;
    await step(options.progress, 'initramfs', 'Initial RAM disk', () =>
      publish(layout, 'initramfs', async (work) => {
        const directory = modulesOf(layout, kernel);
        const modules = await orderedModules(directory, wanted, join(work, 'scratch'));
        const tree = join(work, 'on-demand');
        const onDemand = await onDemandModules(directory, kernel.release, modules, tree, options.signal);
        await rm(tree, { recursive: true, force: true });
        const file = join(work, 'initramfs.cpio');
        await writeFile(file, initramfsArchive(await readFile(agent.path), modules, onDemand), { mode: 0o644 });
        await flush(file);
        return layout.initramfs(digest);
      }),
    );
  });
  return initramfs;
}

/** Names the initramfs of that kernel and agent. */
export const initramfsDigest = (
  kernel: Pick<GuestKernel, 'digest'>,
  agent: Pick<AgentBinary, 'digest'>,
  modules: readonly string[] = guestModules,
): string => sha256([recipeVersion, kernel.digest, agent.digest, onDemandRecipe, ...modules].join('\n'));

/**
 * The archive itself: the agent as /init, the modules in their loading order, and the modules that are loaded on
 * demand.
 */
export function initramfsArchive(
  agent: Buffer,
  modules: readonly KernelModule[],
  onDemand: readonly ArchiveEntry[],
): Buffer {
  const order = modules.map(({ name }) => `${name}.ko\n`).join('');
  const directory = (path: string): ArchiveEntry => ({ path, type: 'directory', mode: 0o755 });
  return cpioArchive([
    directory('dev'),
    { path: 'dev/console', type: 'character-device', mode: 0o600, major: 5, minor: 1 },
    { path: 'init', type: 'file', mode: 0o755, content: agent },
    directory('modules'),
    { path: 'modules/order', type: 'file', mode: 0o644, content: Buffer.from(order) },
    ...modules.map(({ name, content }): ArchiveEntry => ({
      path: `modules/${name}.ko`,
      type: 'file',
      mode: 0o644,
      content,
    })),
    ...onDemand,
  ]);
}
