import assert from 'node:assert/strict';
import { createEngine, layoutAt } from '@novasandbox/engine';
import { sandbox, sh } from './engine.ts';
import { assertNoLeaks } from './leaks.ts';

/** Run in the lab: QEMU on KVM makes a snapshot, and clones of it run commands. Says so at the end. */
await using engine = await createEngine();
{
  // Against hangs alone: the lab is emulated, on a machine that does other things as well.
  const config = { hypervisor: 'qemu', memoryMb: 256, bootTimeoutMs: 300_000 } as const;
  await using one = await sandbox(engine, config);
  await using two = await sandbox(engine, config);
  const clones = [one, two];
  for (const { metadata } of clones) {
    assert.deepEqual([metadata.accelerator, metadata.bootKind], ['kvm', 'snapshot']);
  }
  const said = await Promise.all(
    clones.map(async ({ id }) => {
      const { exit, stdout, stderr } = await sh(
        engine,
        id,
        'cat /proc/sys/kernel/random/boot_id; echo written > /kept',
      );
      assert.equal(exit.exitCode, 0, stderr);
      return stdout.trim();
    }),
  );
  assert.match(said[0] ?? '', /^[0-9a-f-]{36}$/);
  assert.notEqual(said[0], said[1]);
}
await assertNoLeaks(layoutAt());
process.stdout.write('clones of a snapshot ran on KVM\n');
