import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { requireCompatible } from './manifest.ts';

const driver = (name: 'qemu' | 'firecracker', key: string) => ({ name, snapshotKey: () => Promise.resolve(key) });
const snapshot = { architecture: 'amd64', madeBy: { hypervisor: 'qemu', key: 'qemu 7.2 kvm' } } as const;

test('memory is restored by the hypervisor and version that made it, and refused by others with the reason', async () => {
  await requireCompatible(snapshot, driver('qemu', 'qemu 7.2 kvm'));
  await assert.rejects(requireCompatible(snapshot, driver('firecracker', 'firecracker 1.16.1')), (error) => {
    assert.ok(isNovaError(error, 'snapshot_incompatible'));
    assert.match(error.message, /memory and devices of qemu, which firecracker .* cannot/);
    assert.match(error.hint, /disks work with all/);
    return true;
  });
  await assert.rejects(requireCompatible(snapshot, driver('qemu', 'qemu 10.0 kvm')), (error) => {
    assert.ok(isNovaError(error, 'snapshot_incompatible'));
    assert.match(error.message, /another qemu \(qemu 7\.2 kvm\)/);
    return true;
  });
});
