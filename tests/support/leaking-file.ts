import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createLauncher, openNetwork, openSlotRegistry, type Layout } from '@novasandbox/engine';
import { eventually } from './eventually.ts';
import { assertNoLeaks } from './leaks.ts';
import { runOnHost } from './run-on-host.ts';
import { testHome, type TestHome } from './test-home.ts';

/**
 * The program that support/leaks.test.ts runs in place of a test file: it leaves behind the leak that its argument
 * names, prints what the search for leaks finds, and removes it. It continues at each line that it reads.
 */
const id = `leak${process.pid}`;

/** Makes a leak; resolves to a function that removes it. */
type Leak = (home: TestHome) => Promise<() => unknown>;

const leaks: Readonly<Record<string, Leak>> = {
  nothing: () => Promise.resolve(() => undefined),
  process: async ({ layout }) => {
    const child = spawn('sleep', ['1000'], { argv0: `qemu-system-aarch64 ${layout.run}/${id}/vmm`, stdio: 'ignore' });
    await once(child, 'spawn');
    return () => child.kill('SIGKILL');
  },
  'socket folder': async ({ layout }) => {
    await mkdir(layout.sockets(id));
    return () => rmdir(layout.sockets(id));
  },
  'sandbox folder': async ({ layout }) => {
    await mkdir(layout.sandbox(id));
    return () => rmdir(layout.sandbox(id));
  },
  'half-made thing': async ({ layout }) => {
    await mkdir(join(layout.workDirectory, id));
    return () => rmdir(join(layout.workDirectory, id));
  },
  'empty cgroup': async ({ layout }) => {
    await mkdir(layout.sockets(id));
    const group = join(cgroupRoot(), id);
    await mkdir(group, { recursive: true });
    await rmdir(layout.sockets(id));
    return () => rmdir(group);
  },
  mount: async ({ home }) => {
    const at = join(home, 'mounted');
    await mkdir(at);
    runOnHost(`mount -t tmpfs none ${at}`);
    return () => runOnHost(`umount ${at}`);
  },
  'network slot': async ({ layout }) => {
    const network = openNetwork(layout, createLauncher());
    await network.take('box', { forwards: [] });
    return async () => {
      await network.giveBack('box');
      await network[Symbol.asyncDispose]();
    };
  },
  namespace: async ({ layout }) => {
    await using network = openNetwork(layout, createLauncher());
    await network.take('box', { forwards: [] });
    using registry = openSlotRegistry(layout.slotRegistryFile, 1);
    const number = registry.find({ home: layout.home, sandbox: 'box' })?.number ?? 0;
    registry.remove(number, () => undefined);
    return () => runOnHost(`ip netns del nova-${number}; ip link del nv${number} 2>/dev/null || :`);
  },
  'ready slot': async ({ layout, env }) => {
    const script = `
      const { createLauncher, layoutAt, openNetwork } = await import('@novasandbox/engine');
      const network = openNetwork(layoutAt(), createLauncher(), { slots: 1 });
      await network.reclaim();
      setInterval(() => undefined, 1000);`;
    const keeper = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env,
      cwd: import.meta.dirname,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const ended = once(keeper, 'exit');
    try {
      await eventually('a slot is ready', () => keepsSlot(layout, keeper.pid), 60_000);
    } finally {
      keeper.kill('SIGKILL');
      await ended;
    }
    return async () => {
      await using network = openNetwork(layout, createLauncher());
      await network.reclaim();
    };
  },
};

const cgroupRoot = (): string =>
  ['/sys/fs/cgroup/memory', '/sys/fs/cgroup']
    .map((root) => join(root, 'novasandbox'))
    .find((root) => existsSync(join(root, '..', 'cgroup.procs'))) ?? '';

function keepsSlot({ slotRegistryFile }: Layout, pid: number | undefined): boolean {
  if (!existsSync(slotRegistryFile)) return false;
  using registry = openSlotRegistry(slotRegistryFile, 1);
  return registry.list().some(({ state, holder }) => state === 'ready' && holder.pid === pid);
}

const what = process.argv[2] ?? '';
const make = leaks[what];
if (make === undefined) throw new Error(`"${what}" is none of: ${Object.keys(leaks).join(', ')}`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (line: string): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const home = await testHome();
say('begun');
await lines.next();
const remove = await make(home);
say('made');
await lines.next();
say(await assertNoLeaks(home.layout).then(() => 'nothing', String));
await lines.next();
await remove();
await rm(join(home.home, 'mounted'), { recursive: true, force: true });
await home[Symbol.asyncDispose]();
process.exit();
