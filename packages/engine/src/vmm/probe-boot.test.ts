import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Machine, MachineSpec } from '../ports/vmm-driver.ts';
import { createLauncher } from './launcher.ts';
import { consoleLog } from './logs.ts';
import { probeBoot, whyNot } from './probe-boot.ts';

/** Probes a machine that only does what `act` does once it runs. */
async function probe(
  act: (spec: MachineSpec) => Promise<void>,
  cpuUs = 0,
  ends: (spec: MachineSpec) => boolean = () => false,
): Promise<string | null> {
  const probeDirectory = await mkdtemp(join(tmpdir(), 'nova-probes-'));
  await using launcher = createLauncher();
  try {
    const options = {
      launcher,
      users: { take: () => null, [Symbol.dispose]: () => undefined },
      confiner: () => Promise.reject(new Error('nothing is confined here')),
      probeDirectory,
      vmmDirectory: '',
      probeGuest: () => Promise.resolve({ kernel: 'vmlinux', initramfs: 'initramfs' }),
    };
    const boot = async (spec: MachineSpec): Promise<Machine> => {
      await act(spec);
      return {
        record: { directory: spec.directory },
        exited: ends(spec) ? Promise.resolve() : new Promise<void>(() => undefined),
        stats: () => Promise.resolve({ rssBytes: 0, cpuUs }),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      } as unknown as Machine;
    };
    return whyNot(await probeBoot(options, boot, { emulates: true }));
  } finally {
    await rm(probeDirectory, { recursive: true });
  }
}

const says = (line: string) => (spec: MachineSpec) => appendFile(join(spec.directory, consoleLog), `${line}\n`);

test('an emulated guest that says it is ready is proved', async () => {
  assert.equal(await probe(says('[    1.2] nova-agent: ready'), 3_000_000_000), null);
});

test('an emulated guest that hangs at full load before its first line is given up, with what was seen', async () => {
  assert.match((await probe(() => Promise.resolve(), 11_000_000)) ?? '', /CPU time without writing a line/);
});

test('probes that run side by side are machines of their own', async () => {
  const ids: string[] = [];
  const remember = async (spec: MachineSpec): Promise<void> => {
    ids.push(spec.id);
    await says('nova-agent: ready')(spec);
  };
  await Promise.all([probe(remember), probe(remember), probe(remember)]);
  assert.equal(new Set(ids).size, 3);
});

test('a VMM that ended is tried once more: whoever killed it has said nothing about the hypervisor', async () => {
  const ids: string[] = [];
  const killed = (spec: MachineSpec): boolean => ids[0] === spec.id;
  const act = async (spec: MachineSpec): Promise<void> => {
    ids.push(spec.id);
    if (!killed(spec)) await says('nova-agent: ready')(spec);
  };
  assert.equal(await probe(act, 0, killed), null);
  ids.length = 0;
  assert.equal(
    await probe(
      async ({ id }) => void ids.push(id),
      0,
      () => true,
    ),
    'it ended at once',
  );
  assert.equal(ids.length, 2);
});
