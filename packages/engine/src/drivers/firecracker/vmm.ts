import type { Vmm, VmmProgram } from '../../vmm/vmm.ts';

const install = 'nova setup firecracker';

export const firecrackerProgram: VmmProgram = {
  name: 'firecracker',
  variable: 'NOVA_FIRECRACKER',
  release: 'firecracker',
  install,
};
/** It is released together with Firecracker. */
export const jailerProgram: VmmProgram = { name: 'jailer', variable: 'NOVA_JAILER', release: 'firecracker', install };

export const firecrackerVmm: Vmm = {
  name: 'firecracker',
  title: 'Firecracker',
  programs: [firecrackerProgram, jailerProgram],
  kvm: 'needed',
  remedy: `${install} (Linux with KVM)`,
  versions: {
    floor: '1.16.1',
    tested: ['1.16'],
    better: null,
    problems: [
      {
        from: '1.16.0',
        fixedIn: '1.16.1',
        problem: 'vsock connections of the guest time out after a restore (#5958)',
        refused: true,
      },
      {
        from: '1.16.0',
        fixedIn: '1.17.0',
        problem:
          'after pause and resume without a snapshot in between, vsock delivers nothing to the guest any more (#6100)',
        refused: false,
      },
      {
        from: '1.15.0',
        fixedIn: '1.15.1',
        problem: 'a guest can write beyond its queues with virtio over PCI (CVE-2026-5747)',
        refused: true,
      },
      {
        from: '1.13.0',
        fixedIn: '1.14.4',
        problem: 'a guest can write beyond its queues with virtio over PCI (CVE-2026-5747)',
        refused: true,
      },
      {
        from: '0.0.0',
        fixedIn: '1.14.1',
        problem: 'the jailer follows links that others can make (CVE-2026-1386)',
        refused: true,
      },
    ],
  },
};
