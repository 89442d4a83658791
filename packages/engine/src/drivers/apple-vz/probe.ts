import { spawnSync } from 'node:child_process';
import { z } from 'zod';
import { findBinary } from '../../vmm/binary.ts';
import { probeBoot, whyNot, type ProbeBootOptions } from '../../vmm/probe-boot.ts';
import { keptVerdict } from '../../vmm/verdict.ts';
import { versionIn, whyNotVersion } from '../../vmm/versions.ts';
import type { Machine, MachineSpec } from '../../ports/vmm-driver.ts';

export interface AppleVzProbe {
  /** vfkit, where it runs a guest here; else null. */
  readonly usable: string | null;
  readonly binary: string;
  readonly version: string;
  /** One line for people. */
  readonly reason: string;
  /** A probe VM did not boot, though this host says that it would. */
  readonly doubtful?: boolean;
}

const probeSchema = z.object({
  usable: z.string().nullable(),
  binary: z.string(),
  version: z.string(),
  reason: z.string(),
  doubtful: z.boolean().exactOptional(),
});

interface ProbeAppleVzOptions extends ProbeBootOptions {
  readonly whyNotHere: () => string | null;
  boot(spec: MachineSpec, binary: string, signal: AbortSignal): Promise<Machine>;
}

/** Why this host has no such framework; null where it has. */
export function whyNoFramework(): string | null {
  if (process.platform !== 'darwin')
    return `Apple's Virtualization framework is part of macOS, and this is ${process.platform}`;
  // Its loader takes what Linux calls Image, which there is for arm64 alone.
  return process.arch === 'arm64' ? null : 'only Macs with Apple silicon are supported; qemu works on others';
}

/** Whether vfkit really runs a guest here. */
export async function probeAppleVz(options: ProbeAppleVzOptions): Promise<AppleVzProbe> {
  const without = (reason: string, binary = '', version = ''): AppleVzProbe => ({
    usable: null,
    binary,
    version,
    reason,
  });
  const missing = options.whyNotHere();
  if (missing !== null) return without(missing);
  const found = findBinary('vfkit', options.vmmDirectory);
  if (found.path === null) return without(found.reason);
  const binary = found.path;
  const said = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const version = versionIn(said.stdout ?? '');
  if (version === null) return without(`${binary} does not run: ${(said.stderr ?? '').trim()}`, binary);
  const refused = whyNotVersion('vfkit', version);
  if (refused !== null) return without(`vfkit: ${refused}`, binary, version);
  const decide = async (): Promise<AppleVzProbe> => {
    const failure = whyNot(await probeBoot(options, (spec, signal) => options.boot(spec, binary, signal)));
    return failure === null
      ? { usable: binary, binary, version, reason: `vfkit ${version}: a probe VM booted on it` }
      : { ...without(`vfkit ${version}: a probe VM did not boot on it (${failure})`, binary, version), doubtful: true };
  };
  return keptVerdict(
    {
      directory: options.probeDirectory,
      name: 'apple-vz',
      binary,
      schema: probeSchema,
      fresh: options.fresh === true,
      works: ({ usable }) => usable !== null,
    },
    decide,
  );
}
