import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createImageSource,
  loadTemplate,
  openSession,
  uniqueIdentity,
  type AttachedProcess,
  type ContinuedGuest,
  type GuestAgent,
  type Machine,
  type MachineSpec,
  type SnapshotFiles,
} from '@novasandbox/engine';
import { driversOf } from './drivers.ts';
import { assertNoLeaks } from './leaks.ts';
import { testHome } from './test-home.ts';

/** A limit against hangs only. */
export const callTimeoutMs = 120_000;

/** A machine that the test ends, and its agent. */
export interface LiveGuest extends AsyncDisposable {
  readonly machine: Machine;
  readonly agent: GuestAgent;
}

export interface LiveGuests extends AsyncDisposable {
  /** Boots a guest of the base image with a user-mode network, where 10.0.2.2 leads to this host's loopback. */
  boot(): Promise<LiveGuest>;
  /** Takes a snapshot of a guest that runs on. */
  snapshot(guest: LiveGuest): Promise<SnapshotFiles>;
  /** A guest that goes on from a snapshot and is not configured yet. */
  restore(snapshot: SnapshotFiles): Promise<LiveGuest>;
}

/** The output of a command, line by line. Its readers take turns. */
export interface Conversation {
  /** Resolves to the first line that has the words, without what came before. */
  until(words: string): Promise<string>;
  /** Sends a line, and resolves as `until` does. */
  ask(line: string, words?: string): Promise<string>;
}

export function conversation(command: AttachedProcess): Conversation {
  const chunks = command.output[Symbol.asyncIterator]();
  let rest = '';
  const until = async (words: string): Promise<string> => {
    for (;;) {
      const lines = rest.split('\n');
      const at = lines.slice(0, -1).findIndex((line) => line.includes(words));
      if (at >= 0) {
        rest = lines.slice(at + 1).join('\n');
        return (lines[at] ?? '').trim();
      }
      const chunk = await chunks.next();
      if (chunk.done === true) throw new Error(`the command ended without "${words}": ${rest}`);
      rest += Buffer.from(chunk.value.bytes).toString();
    }
  };
  return {
    until,
    ask: async (line, words = '') => {
      await command.writeStdin(Buffer.from(`${line}\n`));
      return until(words);
    },
  };
}

/** The output of a shell command that runs as root. */
export async function shell(agent: GuestAgent, script: string): Promise<string> {
  const command = await agent.exec({ argv: ['/bin/sh', '-c', script], user: 'root' }, { timeoutMs: callTimeoutMs });
  let printed = '';
  for await (const { bytes } of command.output) printed += Buffer.from(bytes).toString();
  const { exitCode } = await command.exit;
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${printed}`);
  return printed;
}

const memoryMb = 256;
const network = { interface: 'eth0', address: '10.0.2.15/24', gateway: '10.0.2.2', dns: ['10.0.2.3'] } as const;
let sequence = 0;

/** The identity of a guest that goes on. */
export const childIdentity = (id: string, continued: Partial<ContinuedGuest> = {}) => ({
  ...uniqueIdentity(id),
  env: { NOVA_SANDBOX_ID: id },
  network,
  continued: { generation: `of-${id}`, cutConnections: true, parentId: 'parent', ...continued },
});

/** QEMU's guests without an engine, which have their root image and a network. Disposing looks for leftovers. */
export async function liveGuests(): Promise<LiveGuests> {
  const home = await testHome();
  const { layout } = home;
  const { driver, guest } = await driversOf(layout, 'qemu');
  const images = createImageSource(layout);
  const root = await images.rootImage(await loadTemplate(layout, 'base'), {});
  const folders: string[] = [];

  const specOf = async (): Promise<MachineSpec> => {
    sequence += 1;
    const id = `live${process.pid}x${sequence}`;
    const directory = layout.sandbox(id);
    folders.push(directory);
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o711);
    return {
      ...guest,
      id,
      sequence,
      directory,
      socketDirectory: layout.sockets(id),
      memoryMb,
      vcpus: 1,
      kernelArguments: [...guest.kernelArguments, 'nova.root=vda', 'nova.write=tmpfs'],
      drives: [{ path: root.path, readOnly: true, foreign: false }],
      network: { mode: 'user', forwards: [] },
      channels: 3,
    };
  };
  const live = async (machine: Machine | undefined): Promise<LiveGuest> => {
    if (machine === undefined) throw new Error('QEMU has the feature "restore"');
    const agent = await openSession(await machine.connect(0, {}), { flush: true, timeoutMs: callTimeoutMs });
    return { machine, agent, [Symbol.asyncDispose]: () => machine.stop() };
  };

  return {
    async boot() {
      const booted = await live(await driver.launch(await specOf(), {}));
      await booted.agent.configure({
        ...uniqueIdentity('parent'),
        network,
        env: { NOVA_SANDBOX_ID: 'parent' },
        deadlineMs: null,
      });
      return booted;
    },
    async snapshot({ machine }) {
      const directory = join(machine.record.directory, 'snapshot');
      await mkdir(directory);
      const snapshot = await machine.snapshot?.(directory, {});
      if (snapshot === undefined) throw new Error('QEMU has the feature "snapshot"');
      return snapshot;
    },
    async restore(snapshot) {
      return live(await driver.restore?.(await specOf(), snapshot, {}));
    },
    async [Symbol.asyncDispose]() {
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
      try {
        await assertNoLeaks(layout);
      } finally {
        await home[Symbol.asyncDispose]();
      }
    },
  };
}
