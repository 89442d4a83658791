import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { processesNaming, type Layout } from '@novasandbox/engine';
import { assertConfined, runAs, withoutRoot } from '../support/confinement.ts';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';

const config = { hypervisor: 'qemu', memoryMb: 256 } as const;

function vmmOf(layout: Layout, id: string): number {
  const [vmm] = processesNaming(layout.sockets(id));
  assert.ok(vmm !== undefined);
  return vmm.pid;
}

interface OpenFile {
  readonly descriptor: string;
  readonly path: string;
  readonly writable: boolean;
}

function openFiles(pid: number): OpenFile[] {
  return readdirSync(`/proc/${pid}/fd`).map((descriptor) => {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? '';
    return {
      descriptor,
      path: readlinkSync(`/proc/${pid}/fd/${descriptor}`),
      writable: (Number.parseInt(flags, 8) & 0o3) !== 0,
    };
  });
}

test(
  'a VMM of QEMU has no privileges, and sees nothing of the host but its own files',
  { skip: withoutRoot },
  async () => {
    await using under = await engineUnderTest();
    const { engine, layout } = under;
    await using box = await sandbox(engine, { ...config, enableNetwork: false });
    await using other = await sandbox(engine, { ...config, enableNetwork: false });
    const pid = vmmOf(layout, box.id);
    assertConfined(pid, { writable: [layout.sandbox(box.id), layout.sockets(box.id)] });
    const there = (path: string): boolean => runAs(pid, `[ -e ${path} ]`).status === 0;
    assert.ok(there(layout.sandbox(box.id)));
    for (const path of [
      '/etc/passwd',
      '/root',
      '/home',
      '/sys/kernel',
      '/proc/sys',
      '/dev/kvm',
      layout.storeFile,
      layout.sandbox(other.id),
      layout.sockets(other.id),
      layout.slotRegistryFile,
      layout.uidRegistryFile,
    ])
      assert.ok(!there(path), path);
    const { status, output } = runAs(pid, `kill -0 ${vmmOf(layout, other.id)}`);
    assert.notEqual(status, 0, output);
  },
);

test(
  'a captured VMM can change no memory, device state, disk or image that others are made of',
  { skip: withoutRoot },
  async () => {
    await using under = await engineUnderTest();
    const { engine, layout } = under;
    await using box = await sandbox(engine, { ...config, enableNetwork: false });
    await using neighbour = await sandbox(engine, { ...config, enableNetwork: false });
    assert.equal(box.metadata.bootKind, 'snapshot');
    const pid = vmmOf(layout, box.id);
    const files = openFiles(pid);
    const shared = files.filter(({ path }) => path.includes('/golden/') || path.includes('/rootfs/'));
    // Memory, device state and the base image; memory is mapped as well.
    assert.ok(shared.length >= 2, JSON.stringify(files));
    const memory = shared.find(({ path }) => path.endsWith('/ram'));
    assert.ok(memory !== undefined);
    for (const { path, writable } of shared) assert.ok(!writable, `${path} is open for writing`);
    assert.ok(!/^\S+ .w.s .*\/golden\//m.test(readFileSync(`/proc/${pid}/maps`, 'utf8')));

    const argument = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    const mapped = argument.map((each) => /mem-path=([^,]+)/.exec(each)?.[1]).find((path) => path !== undefined);
    assert.ok(mapped !== undefined);
    // A successful read shows that the file is at this path.
    assert.equal(runAs(pid, `head -c 1 ${mapped} >/dev/null`).status, 0);
    const attempts = [
      `: >>${mapped}`,
      `exec 5<>${mapped}`,
      `dd if=/dev/zero of=${mapped} bs=4096 count=1 conv=notrunc`,
      `chmod 666 ${mapped}`,
      `truncate -s 0 ${mapped}`,
      ...shared.map(({ descriptor }) => `exec 5<>/proc/1/fd/${descriptor}`),
      ...shared.map(({ descriptor }) => `dd if=/dev/zero of=/proc/1/fd/${descriptor} bs=4096 count=1 conv=notrunc`),
    ];
    for (const attempt of attempts) {
      const { status, output } = runAs(pid, attempt);
      assert.notEqual(status, 0, `${attempt}: ${output}`);
    }
    runAs(pid, `rm -f ${mapped}`);
    assert.equal(runAs(pid, `head -c 1 ${mapped} >/dev/null`).status, 0);
    // The mode protects the file even where a VMM would see the whole host.
    assert.equal(statSync(memory.path).mode & 0o777, 0o440);
    assert.equal((await sh(engine, neighbour.id, 'echo alive')).stdout, 'alive\n');
  },
);

test('a machine that boots is confined as its clones are', { skip: withoutRoot }, async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine, { ...config, enableNetwork: false, kernelArgs: 'nova.test=1' });
  assert.equal(box.metadata.bootKind, 'cold');
  assertConfined(vmmOf(layout, box.id), { writable: [layout.sandbox(box.id), layout.sockets(box.id)] });
});
