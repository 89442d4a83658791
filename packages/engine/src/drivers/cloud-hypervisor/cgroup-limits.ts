import { vmmLimits, type CgroupLimits } from '../../vmm/cgroup.ts';

const own = {
  /** What Cloud Hypervisor needs besides the guest's memory: its heap, page tables, device buffers, MiB. */
  memoryMb: 128,
  /** Its threads besides the vCPUs: API, signals, one for each queue of a device, io_uring's workers. */
  threads: 128,
};

/** What the VMM of a machine of that size may use of the host. */
export const cgroupLimits = (size: { readonly memoryMb: number; readonly vcpus: number }): CgroupLimits =>
  vmmLimits(size, own);
