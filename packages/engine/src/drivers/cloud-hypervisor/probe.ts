import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Machine, MachineSpec, ProbeOptions } from '../../ports/vmm-driver.ts';
import { findBinary } from '../../vmm/binary.ts';
import type { DriverOptions } from '../../vmm/driver-options.ts';
import { whyNoKvm } from '../../vmm/kvm.ts';
import { probeBoot, whyNot } from '../../vmm/probe-boot.ts';
import { proveVmm, type Proof } from '../../vmm/prove.ts';
import { cloudHypervisorProgram, cloudHypervisorVmm } from './vmm.ts';

const hostSchema = z.object({ binary: z.string(), landlock: z.boolean() });

/**
 * How Cloud Hypervisor runs here. With `landlock` it confines itself to its files: the kernel has the Landlock version
 * that it needs (Linux 6.2).
 */
export type CloudHypervisorHost = Readonly<z.infer<typeof hostSchema>>;

type Boot = (spec: MachineSpec, host: CloudHypervisorHost, signal: AbortSignal) => Promise<Machine>;

/** Tests whether it really runs a guest here, and whether behind Landlock. */
export function probeCloudHypervisor(
  options: DriverOptions & ProbeOptions,
  boot: Boot,
): Promise<Proof<CloudHypervisorHost>> {
  const { vmmDirectory, whyNotHere = whyNoKvm } = options;
  const found = findBinary(cloudHypervisorProgram, vmmDirectory);
  return proveVmm(
    { ...options, vmm: cloudHypervisorVmm, found, noKvm: whyNotHere(), how: hostSchema },
    async (binary, version) => {
      const tryWith = async (landlock: boolean): Promise<string | null> =>
        whyNot(await probeBoot(options, (spec, signal) => boot(spec, { binary, landlock }, signal)));
      const works = (landlock: boolean, detail: string): Proof<CloudHypervisorHost> => ({
        how: { binary, landlock },
        binary,
        version,
        reason: `Cloud Hypervisor ${version} with KVM${detail}: a probe VM booted on it`,
      });
      if (kernelMayHaveLandlock() && (await tryWith(true)) === null) return works(true, ', confined by Landlock');
      const failure = await tryWith(false);
      if (failure === null) return works(false, ', without Landlock, which this kernel lacks or has too old');
      const reason = `Cloud Hypervisor ${version}: /dev/kvm opens, but a probe VM did not boot on it (${failure})`;
      return { how: null, binary, version, reason, doubtful: true };
    },
  );
}

/** A kernel that does not say which security modules it has may have Landlock, so it has to be tried. */
function kernelMayHaveLandlock(): boolean {
  try {
    return readFileSync('/sys/kernel/security/lsm', 'utf8').split(',').includes('landlock');
  } catch {
    return true;
  }
}
