import { z } from 'zod';
import type { Machine, MachineSpec, ProbeOptions } from '../../ports/vmm-driver.ts';
import { findBinary } from '../../vmm/binary.ts';
import type { DriverOptions } from '../../vmm/driver-options.ts';
import { probeBoot, whyNot } from '../../vmm/probe-boot.ts';
import { proveVmm, type Proof } from '../../vmm/prove.ts';
import { vfkitProgram, vfkitVmm } from './vmm.ts';

/** Returns why this host lacks the framework; null where it has it. */
function whyNoFramework(): string | null {
  if (process.platform !== 'darwin')
    return `Apple's Virtualization framework is part of macOS, and this is ${process.platform}`;
  // The framework's loader takes the format that Linux calls Image, which exists only for arm64.
  return process.arch === 'arm64' ? null : 'only Macs with Apple silicon are supported';
}

/** Tests whether vfkit really runs a guest here. Machines are started with its path. */
export async function probeAppleVz(
  options: DriverOptions & ProbeOptions,
  boot: (spec: MachineSpec, binary: string, signal: AbortSignal) => Promise<Machine>,
): Promise<Proof<string>> {
  const { vmmDirectory, whyNotHere = whyNoFramework } = options;
  const missing = whyNotHere();
  if (missing !== null) return { how: null, binary: '', version: '', reason: missing };
  const found = findBinary(vfkitProgram, vmmDirectory);
  return proveVmm({ ...options, vmm: vfkitVmm, found, noKvm: null, how: z.string() }, async (binary, version) => {
    const failure = whyNot(await probeBoot(options, (spec, signal) => boot(spec, binary, signal)));
    const proof = { binary, version };
    return failure === null
      ? { ...proof, how: binary, reason: `vfkit ${version}: a probe VM booted on it` }
      : { ...proof, how: null, reason: `vfkit ${version}: a probe VM did not boot on it (${failure})`, doubtful: true };
  });
}
