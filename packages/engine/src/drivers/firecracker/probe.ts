import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Machine, MachineSpec } from '../../ports/vmm-driver.ts';
import { findBinary } from '../../vmm/binary.ts';
import { probeBoot, whyNot, type ProbeBootOptions } from '../../vmm/probe-boot.ts';
import { failureSchema, keptVerdict } from '../../vmm/verdict.ts';
import { versionIn, whyNotVersion } from '../../vmm/versions.ts';

/** What machines are started with. */
export interface FirecrackerHost {
  readonly binary: string;
  /** Null: none is there, or we may not use it. */
  readonly jailer: string | null;
}

export interface FirecrackerProbe {
  /** Null: it does not work here. */
  readonly host: FirecrackerHost | null;
  readonly binary: string;
  readonly version: string;
  /** One line for people. */
  readonly reason: string;
  /** A probe VM did not boot, though this host says that it would. */
  readonly doubtful?: boolean;
}

interface FirecrackerProbeOptions extends ProbeBootOptions {
  readonly whyNoKvm: () => string | null;
  readonly jailed: boolean;
  boot(spec: MachineSpec, host: FirecrackerHost, signal: AbortSignal): Promise<Machine>;
}

/** Whether Firecracker runs a guest here. */
export async function probeFirecracker(options: FirecrackerProbeOptions): Promise<FirecrackerProbe> {
  const found = findBinary('firecracker', options.vmmDirectory);
  const without = (reason: string, version = ''): FirecrackerProbe => ({
    host: null,
    binary: found.path ?? '',
    version,
    reason: `Firecracker${version === '' ? '' : ` ${version}`}: ${reason}`,
  });
  if (found.path === null) return without(found.reason);
  const binary = found.path;
  const said = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const version = versionIn(said.stdout ?? '');
  if (version === null) return without(`${binary} does not run: ${(said.stderr ?? '').trim()}`);
  const bad = whyNotVersion('firecracker', version);
  if (bad !== null) return without(bad, version);
  const missing = options.whyNoKvm();
  if (missing !== null) return without(missing, version);

  const host = { binary: realpathSync(binary), jailer: options.jailed ? jailerOf(binary, options.vmmDirectory) : null };
  const decide = async (): Promise<{ failure: string | null }> => ({
    failure: whyNot(await probeBoot(options, (spec, signal) => options.boot(spec, host, signal))),
  });
  const { failure } = await keptVerdict(
    {
      directory: options.probeDirectory,
      name: host.jailer === null ? 'firecracker' : 'firecracker-jailed',
      binary,
      schema: failureSchema,
      fresh: options.fresh === true,
      works: (verdict) => verdict.failure === null,
    },
    decide,
  );
  if (failure !== null)
    return { ...without(`/dev/kvm opens, but a probe VM did not boot on it (${failure})`, version), doubtful: true };
  const how = host.jailer === null ? 'without jailer' : 'in its jailer';
  return { host, binary, version, reason: `Firecracker ${version} on KVM, ${how}: a probe VM booted on it` };
}

/**
 * The jailer that belongs to a Firecracker: what NOVA_JAILER names, else the one beside it, which is of the same release, else what is installed. It needs
 * root: it changes root, user and namespaces.
 */
function jailerOf(binary: string, vmmDirectory: string): string | null {
  if (process.getuid?.() !== 0) return null;
  const found = findBinary('jailer', vmmDirectory);
  if (found.path !== null && found.source === 'environment') return found.path;
  const beside = join(dirname(realpathSync(binary)), 'jailer');
  return existsSync(beside) ? beside : found.path;
}
