import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { ArchitectureName } from '@novasandbox/protocol';
import { architectures, hostArchitecture } from '../../architecture.ts';
import type { Machine, MachineSpec } from '../../ports/vmm-driver.ts';
import { findProgram } from '../../vmm/confine.ts';
import { whyNoKvm } from '../../vmm/kvm.ts';
import { probeBoot, type ProbeBootOptions } from '../../vmm/probe-boot.ts';
import { isAtLeast, keptVerdict } from '../../vmm/verdict.ts';
import type { Accelerator } from './config.ts';

export interface QemuProbe {
  readonly accelerator: Accelerator | null;
  readonly version: string;
  /** One line for people. */
  readonly reason: string;
}

interface QemuProbeOptions extends ProbeBootOptions {
  readonly architecture: ArchitectureName;
  boot(spec: MachineSpec, accelerator: Accelerator, signal: AbortSignal): Promise<Machine>;
}

/** Which accelerator really runs a guest here. */
export async function probeQemu(options: QemuProbeOptions): Promise<QemuProbe> {
  const { program, package: packageName } = architectures[options.architecture].qemu;
  const binary = findProgram(program);
  if (binary === null)
    return {
      accelerator: null,
      version: '',
      reason: `${program} is not installed: apt-get install ${packageName}`,
    };
  const kept = { directory: options.probeDirectory, name: 'qemu', binary };
  const verdict = await keptVerdict({ ...kept, fresh: options.fresh === true }, () => decide(binary, options));
  // What failed is asked again.
  const usable = verdict.accelerator !== null && existsSync(verdict.accelerator.binary);
  return usable || options.fresh === true
    ? verdict
    : keptVerdict({ ...kept, fresh: true }, () => decide(binary, options));
}

async function decide(binary: string, options: QemuProbeOptions): Promise<QemuProbe> {
  const said = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const version = /version (\S+)/.exec(said.stdout ?? '')?.[1] ?? '';
  if (version === '')
    return { accelerator: null, version, reason: `${binary} does not run: ${(said.stderr ?? '').trim()}` };
  const readOnlyMemory = isAtLeast(version, '8.2');
  const emulated: Accelerator = { name: 'tcg', binary, readOnlyMemory };
  const without = (why: string): QemuProbe => ({
    accelerator: emulated,
    version,
    reason: `QEMU ${version} with software emulation (TCG): ${why}`,
  });

  if (options.architecture !== hostArchitecture().name)
    return without(`the host's processor is another one than ${options.architecture}`);
  if (process.platform === 'darwin') {
    return {
      accelerator: { name: 'hvf', binary, readOnlyMemory },
      version,
      reason: `QEMU ${version} with Apple's Hypervisor framework (HVF)`,
    };
  }
  const missing = whyNoKvm();
  if (missing !== null) return without(missing);
  // Debian's small build for microvms starts faster, but has no seccomp sandbox.
  const hardware: Accelerator = { name: 'kvm', binary, readOnlyMemory };
  const failure = await probeBoot(options, (spec, signal) => options.boot(spec, hardware, signal));
  return failure === null
    ? { accelerator: hardware, version, reason: `QEMU ${version} with KVM: a probe VM booted on it` }
    : without(`/dev/kvm opens, but a probe VM did not boot on it (${failure})`);
}
