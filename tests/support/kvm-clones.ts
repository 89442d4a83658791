import assert from 'node:assert/strict';
import { createEngine, layoutAt } from '@novasandbox/engine';
import { sandbox, sh } from './engine.ts';
import { assertNoLeaks } from './leaks.ts';
import { bootTimeoutMs } from './real-vmms.ts';

/**
 * Runs in the lab: a hypervisor (the argument, default QEMU) on KVM makes a snapshot, and clones of it run commands.
 * Prints a line about it at the end.
 */
const hypervisor = process.argv[2] ?? 'qemu';
await using engine = await createEngine();
{
  const config = { hypervisor, memoryMb: 256, bootTimeoutMs, enableNetwork: false } as const;
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
