import assert from 'node:assert/strict';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { readGoldenSnapshot, requireCompatible } from '../../packages/engine/src/golden/manifest.ts';
import { driversOf } from '../support/drivers.ts';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { bootTimeoutMs, kvmHypervisors, whyNot } from '../support/real-vmms.ts';

/** Disks move from one real hypervisor to the next; memory does not. */
const missing = (await Promise.all(kvmHypervisors.map((name) => whyNot(name)))).find((reason) => reason !== false);
const skip = missing ?? false;

test('a stopped sandbox goes on with another hypervisor, and another, with what is on its disk', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const config = { hypervisor: 'qemu', bootTimeoutMs, memoryMb: 256, enableNetwork: false } as const;
  await using box = await sandbox(engine, config);
  const ran: string[] = [];
  for (const hypervisor of ['qemu', 'firecracker', 'cloud-hypervisor', 'qemu'] as const) {
    if (ran.length > 0) await engine.sandboxes.start(box.id, { hypervisor });
    const { exit, stdout, stderr } = await sh(engine, box.id, `echo ${hypervisor} >> /root/ran && cat /root/ran`);
    assert.equal(exit.exitCode, 0, stderr);
    ran.push(hypervisor);
    assert.deepEqual(stdout.trim().split('\n'), ran);
    assert.equal((await engine.sandboxes.get(box.id)).hypervisor, hypervisor);
    // Its memory cannot move.
    const other = hypervisor === 'qemu' ? 'firecracker' : 'qemu';
    await assert.rejects(engine.sandboxes.start(box.id, { hypervisor: other }), { code: 'invalid_state' });
    await engine.sandboxes.stop(box.id);
  }
});

test('the memory of one hypervisor is refused by the others, and nothing is left', { skip }, async () => {
  await using under = await engineUnderTest({ own: ['golden', 'work'] });
  const { engine, layout } = under;
  const makers = ['qemu', ...kvmHypervisors] as const;
  for (const hypervisor of makers) {
    const config = { hypervisor, bootTimeoutMs, memoryMb: 256, enableNetwork: false } as const;
    await using box = await sandbox(engine, config);
    assert.equal(box.metadata.bootKind, 'snapshot');
  }
  const refused = new Set<string>();
  for (const digest of await readdir(layout.goldenSnapshots)) {
    const directory = layout.golden(digest);
    const manifest = (await readGoldenSnapshot(digest, directory))?.manifest;
    assert.ok(manifest !== undefined);
    const maker = manifest.madeBy.hypervisor;
    for (const other of makers) {
      const { driver, guest } = await driversOf(layout, other);
      if (other === maker) {
        await requireCompatible(manifest, driver);
        continue;
      }
      await assert.rejects(requireCompatible(manifest, driver), (error) => {
        assert.ok(isNovaError(error, 'snapshot_incompatible'));
        assert.match(error.message, new RegExp(`memory and devices of ${maker}, which ${other} `));
        return true;
      });
      // The VMM itself would refuse it too.
      const id = `move${process.pid}x${refused.size}`;
      const own = layout.sandbox(id);
      await mkdir(own, { mode: 0o711 });
      const shape = { memoryMb: 256, vcpus: 1, drives: [], network: { mode: 'none' }, channels: 2 } as const;
      const spec = {
        id,
        sequence: refused.size,
        directory: own,
        socketDirectory: layout.sockets(id),
        ...guest,
        ...shape,
      };
      await assert.rejects(async () => driver.restore?.(spec, { directory }, {}));
      await rm(own, { recursive: true });
      await assertNoLeaks(layout);
      refused.add(`${maker} ${other}`);
    }
  }
  assert.equal(refused.size, 6);
});
