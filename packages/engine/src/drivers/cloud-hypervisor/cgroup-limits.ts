import type { CgroupLimits } from '../../vmm/cgroup.ts';

/** What Cloud Hypervisor needs besides the guest's memory: its heap, page tables, device buffers, MiB. */
const overheadMb = 128;
/** Its threads besides the vCPUs: API, signals, one for each queue of a device, io_uring's workers. */
const extraThreads = 128;

/** What the VMM of a machine of that size may use of the host. */
export function cgroupLimits({ memoryMb, vcpus }: { readonly memoryMb: number; readonly vcpus: number }): CgroupLimits {
  return {
    memoryBytes: (memoryMb + overheadMb) * 1024 * 1024,
    cpus: vcpus + 0.5,
    processes: vcpus + extraThreads,
  };
}
