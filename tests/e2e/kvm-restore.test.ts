import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { processesNaming } from '@novasandbox/engine';
import { userfaultfdAccess } from '../../packages/engine/src/vmm/userfaultfd.ts';
import { usersOfVmms } from '../../packages/engine/src/vmm/vmm-users.ts';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { bootTimeoutMs, whyNot } from '../support/real-vmms.ts';

const access = userfaultfdAccess(usersOfVmms()?.lowest ?? null);
const skip = (await whyNot('cloud-hypervisor')) || ('reason' in access ? access.reason : false);

test('cloud-hypervisor: a clone fetches its memory as it is touched', { skip }, async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const config = { hypervisor: 'cloud-hypervisor', bootTimeoutMs, memoryMb: 256, enableNetwork: false } as const;
  await using box = await sandbox(engine, config);
  assert.equal(box.metadata.bootKind, 'snapshot');
  const vmm = processesNaming(layout.sockets(box.id))[0];
  assert.ok(vmm !== undefined);
  const descriptors = `/proc/${vmm.pid}/fd`;
  const open = readdirSync(descriptors).map((name) => readlinkSync(join(descriptors, name)));
  assert.ok(
    open.some((path) => path.includes('userfaultfd')),
    open.join('\n'),
  );
  const { exit, stdout } = await sh(engine, box.id, 'python3 -c "print(6 * 7)"');
  assert.deepEqual([exit.exitCode, stdout], [0, '42\n']);
});
