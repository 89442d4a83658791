import { spawnSync } from 'node:child_process';
import { z } from 'zod';
import type { ArchitectureName } from '@novasandbox/protocol';
import { architectures, hostArchitecture } from '../../architecture.ts';
import type { Machine, MachineSpec } from '../../ports/vmm-driver.ts';
import { findProgram } from '../../vmm/confine.ts';
import { whyNoKvm } from '../../vmm/kvm.ts';
import { probeBoot, whyNot, type ProbeBootOptions } from '../../vmm/probe-boot.ts';
import { believedMs, failureSchema, keptVerdict } from '../../vmm/verdict.ts';
import { versionIn, whyNotVersion } from '../../vmm/versions.ts';
import type { Accelerator } from './config.ts';

export interface QemuProbe {
  readonly accelerator: Accelerator | null;
  readonly version: string;
  /** One line for people. */
  readonly reason: string;
  /** It rests on a failure of a probe VM that may pass: found again after a while. */
  readonly doubtful?: boolean;
}

const probeSchema = z.object({
  accelerator: z.object({ name: z.enum(['kvm', 'hvf', 'tcg']), binary: z.string(), version: z.string() }).nullable(),
  version: z.string(),
  reason: z.string(),
  doubtful: z.boolean().exactOptional(),
});

/** How long what was found is believed, ms. */
export const keptForMs = ({ accelerator, doubtful }: QemuProbe): number => believedMs(accelerator !== null, doubtful);

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
  return keptVerdict(
    {
      directory: options.probeDirectory,
      name: `qemu-${options.architecture}`,
      binary,
      schema: probeSchema,
      fresh: options.fresh === true,
      works: ({ accelerator }) => accelerator !== null,
      keptForMs,
      basis: machineOf(options.architecture),
    },
    () => decide(binary, options),
  );
}

async function decide(binary: string, options: QemuProbeOptions): Promise<QemuProbe> {
  const said = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const version = versionIn(said.stdout ?? '');
  if (version === null)
    return { accelerator: null, version: '', reason: `${binary} does not run: ${(said.stderr ?? '').trim()}` };
  const refused = whyNotVersion('qemu', version);
  if (refused !== null) return { accelerator: null, version, reason: `QEMU: ${refused}` };

  if (options.architecture !== hostArchitecture().name) {
    // Its first guest is its probe: to make one here would take a toolchain that nobody may have asked for.
    const why = `the host's processor is another one than ${options.architecture}`;
    return { accelerator: { name: 'tcg', binary, version }, version, reason: emulated(version, why) };
  }
  if (process.platform === 'darwin') {
    return {
      accelerator: { name: 'hvf', binary, version },
      version,
      reason: `QEMU ${version} with Apple's Hypervisor framework (HVF)`,
    };
  }
  const missing = whyNoKvm();
  if (missing !== null) return decideEmulation(missing, binary, version, options);
  // Debian's small build for microvms starts faster, but has no seccomp sandbox.
  const hardware: Accelerator = { name: 'kvm', binary, version };
  const failure = await probeBoot(options, (spec, signal) => options.boot(spec, hardware, signal));
  if (failure === null)
    return { accelerator: hardware, version, reason: `QEMU ${version} with KVM: a probe VM booted on it` };
  const why = `/dev/kvm opens, but a probe VM did not boot on it (${failure.why})`;
  return { ...(await decideEmulation(why, binary, version, options)), doubtful: failure.mayPass };
}

/** What a guest sees of its machine: guests of another one have to be probed anew. */
const machineOf = (architecture: ArchitectureName): string[] => {
  const { machine, properties, firmware, emulatedProcessor } = architectures[architecture].qemu;
  return [machine, ...properties, firmware ?? '', emulatedProcessor];
};

const emulated = (version: string, why: string): string => `QEMU ${version} with software emulation (TCG): ${why}`;

/** Whether a guest runs emulated, as versions of QEMU differ in what they emulate; `why` there is no hardware support. */
async function decideEmulation(
  why: string,
  binary: string,
  version: string,
  options: QemuProbeOptions,
): Promise<QemuProbe> {
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
  if (failure === null) return { accelerator, version, reason: emulated(version, why) };
  return {
    accelerator: null,
    version,
    reason: `${emulated(version, why)}; a probe VM did not boot with it either: ${failure}`,
  };
}
