import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloudHypervisorVmm } from '../drivers/cloud-hypervisor/vmm.ts';
import { firecrackerVmm } from '../drivers/firecracker/vmm.ts';
import { vmms } from '../drivers/registry.ts';
import { problemsOf, versionIn, whyNotVersion } from './versions.ts';

const firecracker = firecrackerVmm.versions;
const cloudHypervisor = cloudHypervisorVmm.versions;

test('a version is read from what each VMM says', () => {
  assert.equal(versionIn('Firecracker v1.16.1\n\nexit'), '1.16.1');
  assert.equal(versionIn('Firecracker v1.17.0-dev\n'), '1.17.0-dev');
  assert.equal(versionIn('cloud-hypervisor v53.0\n'), '53.0');
  assert.equal(versionIn('cloud-hypervisor v53.0-12-gae44c2971-dirty\n'), '53.0-12-gae44c2971-dirty');
  assert.equal(versionIn('vfkit version: v0.6.4\n'), '0.6.4');
  assert.equal(versionIn('QEMU emulator version 7.2.17 (Debian 1:7.2+dfsg-7)\n'), '7.2.17');
  assert.equal(versionIn('vfkit version: unknown\n'), null);
});

test('a version below the floor is refused with what is needed', () => {
  assert.match(whyNotVersion(firecracker, '1.15.1') ?? '', /1\.15\.1 is too old: 1\.16\.1/);
  assert.equal(whyNotVersion(firecracker, '1.16.1'), null);
  assert.equal(whyNotVersion(firecracker, '1.17.0-dev'), null);
  assert.match(whyNotVersion(cloudHypervisor, '51.1') ?? '', /too old: 52/);
  assert.equal(whyNotVersion(cloudHypervisor, '53.0'), null);
});

test('a problem is that of the versions from the first that has it to the first that does not', () => {
  assert.deepEqual(
    problemsOf(firecracker, '1.16.1').map(({ fixedIn }) => fixedIn),
    ['1.17.0'],
  );
  assert.deepEqual(problemsOf(firecracker, '1.17.0'), []);
  for (const { name, versions } of vmms) assert.equal(whyNotVersion(versions, versions.floor), null, name);
});
