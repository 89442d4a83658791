import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { copySparse } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { bootTimeoutMs, whyNot } from '../support/real-vmms.ts';

/** What guests with a kernel of their own are given, on the real hypervisor that can. */
const hypervisor = 'cloud-hypervisor';
const config = { hypervisor, bootTimeoutMs, memoryMb: 512, enableNetwork: false } as const;

const skip = await whyNot(hypervisor);
/** UEFI firmware and a disk for it, made as docs/hypervisors.md tells. */
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

/**
 * An ELF program that writes what the processor's leaf 0x40000001 says of the hypervisor's interface, four letters: `Hv#1` for Hyper-V's
 * (Hypervisor Top Level Functional Specification, "Feature and Interface Discovery").
 */
const interfaceProgram = Buffer.from(
  [
    // ELF header: 64 bits, little-endian, executable, x86-64, entry 0x400078; one program header at 64: all of it, readable and executable, at 0x400000.
    '7f454c4602010100000000000000000002003e0001000000780040000000000040000000000000000000000000000000000000004000380001000000000000000100000005000000',
    '0000000000000000000040000000000000004000000000009f000000000000009f000000000000000010000000000000',
    // mov eax, 0x40000001; xor ecx, ecx; cpuid; push rax; write(1, rsp, 4); exit(0)
    'b80100004031c90fa2504889e6bf01000000ba04000000b8010000000f05b83c00000031ff0f05',
  ].join(''),
  'hex',
);

for (const hyperv of [true, false]) {
  test(`a guest ${hyperv ? 'is offered' : 'does not see'} Hyper-V's interfaces`, { skip }, async () => {
    await using under = await engineUnderTest();
    await using box = await sandbox(under.engine, { ...config, hyperv });
    const script = `echo ${interfaceProgram.toString('base64')} | base64 -d >/tmp/i && chmod +x /tmp/i && /tmp/i`;
    const { exit, stdout, stderr } = await sh(under.engine, box.id, script);
    assert.equal(exit.exitCode, 0, stderr);
    assert.equal(stdout === 'Hv#1', hyperv, stdout);
  });
}
