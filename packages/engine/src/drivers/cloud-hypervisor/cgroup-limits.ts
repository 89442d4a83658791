import { vmmLimits, type CgroupLimits } from '../../vmm/cgroup.ts';

const own = {
  /** Memory that Cloud Hypervisor needs besides the guest's: its heap, page tables, device buffers, MiB. */
  memoryMb: 128,
  /** Its threads besides the vCPUs: API, signals, one for each queue of a device, io_uring's workers. */
  threads: 128,
};

/** Limits on the host's resources for the VMM of a machine of that size. */
export const cgroupLimits = (size: { readonly memoryMb: number; readonly vcpus: number }): CgroupLimits =>
  vmmLimits(size, own);
