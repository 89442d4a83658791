import { architectures, type Architecture } from '../../architecture.ts';
import type { Vmm, VmmProgram } from '../../vmm/vmm.ts';

/** QEMU has a program for each processor that its guests can have. */
export const qemuProgram = ({ qemu }: Architecture): VmmProgram => ({
  name: qemu.program,
  variable: null,
  release: null,
  install: `apt-get install ${qemu.package}`,
});

export const qemuVmm: Vmm = {
  name: 'qemu',
  title: 'QEMU',
  programs: Object.values(architectures).map(qemuProgram),
  kvm: 'used',
  remedy: 'Install QEMU: sudo apt-get install qemu-system-x86 (Debian, Ubuntu), brew install qemu (macOS).',
  versions: {
    floor: '7.2',
    tested: ['7.2', '10.0', '11.1'],
    better: { from: '10.0', why: 'emulated guests (without KVM) run their commands about twice as fast' },
    problems: [],
  },
  betterFrom: {
    bookworm:
      "echo 'deb http://deb.debian.org/debian bookworm-backports main' | sudo tee /etc/apt/sources.list.d/backports.list; " +
      'sudo apt-get update; sudo apt-get install -t bookworm-backports qemu-system-x86',
  },
};
