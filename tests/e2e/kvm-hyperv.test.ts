import assert from 'node:assert/strict';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { consoleLog, fileTail } from '@novasandbox/engine';
import { driversOf } from '../support/drivers.ts';
import { eventually } from '../support/eventually.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { bootTimeoutMs, whyNot } from '../support/real-vmms.ts';
import { testHome } from '../support/test-home.ts';

const hypervisor = 'cloud-hypervisor';
const skip = await whyNot(hypervisor);

/**
 * A guest that writes to its serial port the hypervisor's interface from the processor's leaf 0x40000001, four letters:
 * `Hv#1` for Hyper-V's (Hypervisor Top Level Functional Specification, "Feature and Interface Discovery"). It is not
 * Linux, which needs a clock source to be named on Hyper-V's interfaces.
 */
const kernel = Buffer.from(
  [
    // ELF: 64 bits, x86-64, entry 0x2000c4; two program headers at 64.
    '7f454c4602010100000000000000000002003e0001000000c4002000000000004000000000000000000000000000000000000000400038000200000000000000',
    // The whole file at 0x200000; the note at 0xb0 of it.
    '0100000007000000000000000000000000002000000000000000200000000000e700000000000000e7000000000000000010000000000000',
    '0400000004000000b000000000000000b000200000000000b000200000000000140000000000000014000000000000000400000000000000',
    // Xen's note 18: the entry with 32 bits and no paging (PVH).
    '040000000400000012000000' + '58656e00' + 'c4002000',
    // mov eax, 0x40000001; xor ecx, ecx; cpuid; mov ebx, eax; mov ecx, 4; mov edx, 0x3f8
    'b80100004031c90fa289c3b904000000baf8030000',
    // mov al, bl; out dx, al; shr ebx, 8; loop; mov al, '\n'; out dx, al; hlt, for ever
    '88d8eec1eb08e2f8b00aeef4ebfd',
  ].join(''),
  'hex',
);

for (const hyperv of [true, false]) {
  test(`a guest ${hyperv ? 'is offered' : 'does not see'} Hyper-V's interfaces`, { skip }, async () => {
    await using home = await testHome();
    const { layout } = home;
    const { driver, guest } = await driversOf(layout, hypervisor);
    const path = join(home.home, 'kernel');
    await writeFile(path, kernel);
    await chmod(path, 0o644);
    const id = `hyperv${process.pid}`;
    const directory = layout.sandbox(id);
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o711);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => assertNoLeaks(layout));
    undo.defer(() => rm(directory, { recursive: true }));
    const shape = { memoryMb: 128, vcpus: 1, drives: [], network: { mode: 'none' }, channels: 1 } as const;
    const machine = await driver.launch(
      { id, sequence: 0, directory, socketDirectory: layout.sockets(id), ...shape, ...guest, kernel: path, hyperv },
      {},
    );
    undo.defer(() => machine.stop());
    let said = '';
    const heard = async (): Promise<boolean> => {
      said = await fileTail(join(directory, consoleLog), 64 << 10);
      return said.includes('\n');
    };
    await eventually('the guest has written to its serial port', heard, bootTimeoutMs);
    assert.equal(said.startsWith('Hv#1'), hyperv, said);
  });
}
