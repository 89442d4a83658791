import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Machine, MachineSpec } from '../../ports/vmm-driver.ts';
import { findBinary } from '../../vmm/binary.ts';
import { probeBoot, whyNot, type ProbeBootOptions } from '../../vmm/probe-boot.ts';
import { keptVerdict } from '../../vmm/verdict.ts';
import { whyNotVersion } from '../../vmm/versions.ts';

/** How Cloud Hypervisor runs on this host. */
export interface CloudHypervisorHost {
  readonly binary: string;
  readonly version: string;
  /** It shuts itself in to its files: the kernel has Landlock as it wants it (Linux 6.2). */
  readonly landlock: boolean;
}

export interface CloudHypervisorProbe {
  readonly host: CloudHypervisorHost | null;
  readonly binary: string;
  readonly version: string;
  /** One line for people. */
  readonly reason: string;
  /** A probe VM did not boot, though this host says that it would. */
  readonly doubtful?: boolean;
}

const probeSchema = z.object({
  host: z.object({ binary: z.string(), version: z.string(), landlock: z.boolean() }).nullable(),
  binary: z.string(),
  version: z.string(),
  reason: z.string(),
  doubtful: z.boolean().exactOptional(),
});

interface ProbeCloudHypervisorOptions extends ProbeBootOptions {
  readonly whyNoKvm: () => string | null;
  boot(spec: MachineSpec, host: CloudHypervisorHost, signal: AbortSignal): Promise<Machine>;
}

/** Whether it really runs a guest here, and whether behind Landlock. */
export async function probeCloudHypervisor(options: ProbeCloudHypervisorOptions): Promise<CloudHypervisorProbe> {
  const found = findBinary('cloud-hypervisor', options.vmmDirectory);
  if (found.path === null) return { host: null, binary: '', version: '', reason: found.reason };
  const binary = found.path;
  const without = (reason: string, version = ''): CloudHypervisorProbe => ({ host: null, binary, version, reason });
  const said = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const version = /v(\d+(?:\.\d+)+)/.exec(said.stdout ?? '')?.[1];
  if (version === undefined) return without(`${binary} does not run: ${(said.stderr ?? '').trim()}`);
  const refused = whyNotVersion('cloud-hypervisor', version);
  if (refused !== null) return without(refused, version);
  const missing = options.whyNoKvm();
  if (missing !== null) return without(`Cloud Hypervisor ${version} needs KVM: ${missing}`, version);
  return keptVerdict(
    {
      directory: options.probeDirectory,
      name: 'cloud-hypervisor',
      binary,
      schema: probeSchema,
      fresh: options.fresh === true,
      works: ({ host }) => host !== null,
    },
    () => decide(binary, version, options),
  );
}

async function decide(
  binary: string,
  version: string,
  options: ProbeCloudHypervisorOptions,
): Promise<CloudHypervisorProbe> {
  const boot = async (landlock: boolean): Promise<string | null> =>
    whyNot(await probeBoot(options, (spec, signal) => options.boot(spec, { binary, version, landlock }, signal)));
  const works = (landlock: boolean, how: string): CloudHypervisorProbe => ({
    host: { binary, version, landlock },
    binary,
    version,
    reason: `Cloud Hypervisor ${version} with KVM${how}: a probe VM booted on it`,
  });
  if (kernelMayHaveLandlock() && (await boot(true)) === null) return works(true, ', confined by Landlock');
  const failure = await boot(false);
  if (failure === null) return works(false, ', without Landlock, which this kernel lacks or has too old');
  const reason = `Cloud Hypervisor ${version}: /dev/kvm opens, but a probe VM did not boot on it (${failure})`;
  return { host: null, binary, version, reason, doubtful: true };
}

/** Where the kernel does not say, it has to be tried. */
function kernelMayHaveLandlock(): boolean {
  try {
    return readFileSync('/sys/kernel/security/lsm', 'utf8').split(',').includes('landlock');
  } catch {
    return true;
  }
}
