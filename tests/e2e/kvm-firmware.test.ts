import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { copySparse } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { bootTimeoutMs, whyNot } from '../support/real-vmms.ts';

/** Guests with a kernel of their own, on the real hypervisor that supports them. */
const hypervisor = 'cloud-hypervisor';
const config = { hypervisor, bootTimeoutMs, memoryMb: 512, enableNetwork: false } as const;

const skip = await whyNot(hypervisor);
/** UEFI firmware and a disk for it, made as docs/hypervisors.md describes. */
const { NOVA_CLOUDHV_FIRMWARE: firmwarePath = '', NOVA_UEFI_DISK: disk = '' } = process.env;
const skipFirmware =
  skip ||
  (firmwarePath === '' || disk === '' ? 'NOVA_CLOUDHV_FIRMWARE and NOVA_UEFI_DISK name no firmware and disk' : false);

test(
  'firmware boots the kernel of a disk image, and what is written stays in the image',
  { skip: skipFirmware },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nova-uefi-'));
    try {
      await chmod(directory, 0o755);
      const rootfsPath = join(directory, 'disk.img');
      await copySparse(disk, rootfsPath);
      await chmod(rootfsPath, 0o666);
      await using under = await engineUnderTest();
      const { engine } = under;
      await using box = await sandbox(engine, { ...config, firmwarePath, rootfsPath });
      const first = await sh(engine, box.id, 'ls -d /sys/firmware/efi; echo kept > /kept; sync');
      assert.deepEqual([first.exit.exitCode, first.stdout], [0, '/sys/firmware/efi\n'], first.stderr);
      await engine.sandboxes.stop(box.id);
      await engine.sandboxes.start(box.id);
      assert.equal((await sh(engine, box.id, 'cat /kept')).stdout, 'kept\n');
    } finally {
      await rm(directory, { recursive: true });
    }
  },
);
