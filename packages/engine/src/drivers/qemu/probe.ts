import { z } from 'zod';
import type { ArchitectureName } from '@novasandbox/protocol';
import { architectures, hostArchitecture } from '../../architecture.ts';
import type { Machine, MachineSpec, ProbeOptions } from '../../ports/vmm-driver.ts';
import { findBinary } from '../../vmm/binary.ts';
import type { DriverOptions } from '../../vmm/driver-options.ts';
import { whyNoKvm } from '../../vmm/kvm.ts';
import { probeBoot, whyNot } from '../../vmm/probe-boot.ts';
import { proveVmm, type Proof } from '../../vmm/prove.ts';
import { failureSchema, keptVerdict } from '../../vmm/verdict.ts';
import type { Accelerator } from './config.ts';
import { qemuProgram, qemuVmm } from './vmm.ts';

const acceleratorSchema = z.object({ name: z.enum(['kvm', 'hvf', 'tcg']), binary: z.string(), version: z.string() });

type Boot = (spec: MachineSpec, accelerator: Accelerator, signal: AbortSignal) => Promise<Machine>;

interface QemuProbeOptions extends DriverOptions, ProbeOptions {
  readonly architecture: ArchitectureName;
  readonly boot: Boot;
}

/** Tests which accelerator really runs a guest here. */
export function probeQemu(options: QemuProbeOptions): Promise<Proof<Accelerator>> {
  const { architecture, vmmDirectory } = options;
  const found = findBinary(qemuProgram(architectures[architecture]), vmmDirectory);
  return proveVmm(
    { ...options, vmm: qemuVmm, found, noKvm: null, how: acceleratorSchema, basis: machineOf(architecture) },
    (binary, version) => decide(binary, version, options),
  );
}

async function decide(binary: string, version: string, options: QemuProbeOptions): Promise<Proof<Accelerator>> {
  const on = (name: Accelerator['name'], reason: string): Proof<Accelerator> => ({
    how: { name, binary, version },
    binary,
    version,
    reason,
  });
  if (options.architecture !== hostArchitecture().name) {
    // Its first guest serves as the probe, because making a guest here would need a toolchain that the user may not
    // want.
    return on('tcg', emulated(version, `the host's processor is another one than ${options.architecture}`));
  }
  if (process.platform === 'darwin') return on('hvf', `QEMU ${version} with Apple's Hypervisor framework (HVF)`);
  const missing = whyNoKvm();
  if (missing !== null) return decideEmulation(missing, binary, version, options);
  // Debian's small build for microvms starts faster, but has no seccomp sandbox.
  const hardware: Accelerator = { name: 'kvm', binary, version };
  const failure = await probeBoot(options, (spec, signal) => options.boot(spec, hardware, signal));
  if (failure === null) return on('kvm', `QEMU ${version} with KVM: a probe VM booted on it`);
  const why = `/dev/kvm opens, but a probe VM did not boot on it (${failure.why})`;
  return { ...(await decideEmulation(why, binary, version, options)), doubtful: failure.mayPass };
}

/** The properties of the machine that guests see. With other properties guests have to be probed anew. */
const machineOf = (architecture: ArchitectureName): string[] => {
  const { machine, properties, firmware, emulatedProcessor } = architectures[architecture].qemu;
  return [machine, ...properties, firmware ?? '', emulatedProcessor];
};

const emulated = (version: string, why: string): string => `QEMU ${version} with software emulation (TCG): ${why}`;

/**
 * Tests whether a guest runs emulated, because versions of QEMU differ in what they emulate. `why` says why there is no
 * hardware support.
 */
async function decideEmulation(
  why: string,
  binary: string,
  version: string,
  options: QemuProbeOptions,
): Promise<Proof<Accelerator>> {
  const accelerator: Accelerator = { name: 'tcg', binary, version };
  const { failure } = await keptVerdict(
    {
      directory: options.probeDirectory,
      name: 'qemu-emulation',
      binary,
      schema: failureSchema,
      fresh: options.fresh === true,
      works: (verdict) => verdict.failure === null,
      basis: machineOf(options.architecture),
      outlivesBoot: true,
    },
    async () => ({
      failure: whyNot(
        await probeBoot(options, (spec, signal) => options.boot(spec, accelerator, signal), { emulates: true }),
      ),
    }),
  );
  if (failure === null) return { how: accelerator, binary, version, reason: emulated(version, why) };
  return {
    how: null,
    binary,
    version,
    reason: `${emulated(version, why)}; a probe VM did not boot with it either: ${failure}`,
  };
}
