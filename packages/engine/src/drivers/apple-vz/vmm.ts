import type { Vmm, VmmProgram } from '../../vmm/vmm.ts';

const install = 'brew install vfkit';

export const vfkitProgram: VmmProgram = { name: 'vfkit', variable: 'NOVA_VFKIT', release: null, install };

export const vfkitVmm: Vmm = {
  name: 'vfkit',
  title: 'vfkit',
  programs: [vfkitProgram],
  kvm: 'unused',
  remedy: `${install} (macOS)`,
  versions: { floor: '0.6', tested: [], better: null, problems: [] },
};
