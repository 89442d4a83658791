import type { Vmm, VmmProgram } from '../../vmm/vmm.ts';

const install = 'nova setup cloud-hypervisor';

export const cloudHypervisorProgram: VmmProgram = {
  name: 'cloud-hypervisor',
  variable: 'NOVA_CLOUD_HYPERVISOR',
  release: 'cloud-hypervisor',
  install,
};

export const cloudHypervisorVmm: Vmm = {
  name: 'cloud-hypervisor',
  title: 'Cloud Hypervisor',
  programs: [cloudHypervisorProgram],
  kvm: 'needed',
  remedy: `${install} (Linux with KVM)`,
  versions: {
    floor: '52',
    tested: ['53'],
    better: null,
    problems: [
      {
        from: '0.0',
        fixedIn: '51.2',
        problem: 'use after free in the completion of block requests (CVE-2026-45782)',
        refused: true,
      },
    ],
  },
};
