import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Machine, MachineSpec, ProbeOptions } from '../../ports/vmm-driver.ts';
import { findBinary } from '../../vmm/binary.ts';
import type { DriverOptions } from '../../vmm/driver-options.ts';
import { whyNoKvm } from '../../vmm/kvm.ts';
import { probeBoot, whyNot } from '../../vmm/probe-boot.ts';
import { proveVmm, type Proof } from '../../vmm/prove.ts';
import { firecrackerProgram, firecrackerVmm, jailerProgram } from './vmm.ts';

const hostSchema = z.object({ binary: z.string(), jailer: z.string().nullable() });

/** The programs that machines are started with. The jailer is null where there is none, or where we may not use it. */
export type FirecrackerHost = Readonly<z.infer<typeof hostSchema>>;

type Boot = (spec: MachineSpec, host: FirecrackerHost, signal: AbortSignal) => Promise<Machine>;

/** Tests whether Firecracker runs a guest here. */
export function probeFirecracker(options: DriverOptions & ProbeOptions, boot: Boot): Promise<Proof<FirecrackerHost>> {
  const { vmmDirectory, jailed = true, whyNotHere = whyNoKvm } = options;
  const found = findBinary(firecrackerProgram, vmmDirectory);
  const jailer = found.path !== null && jailed ? findJailer(found.path, vmmDirectory) : null;
  return proveVmm(
    { ...options, vmm: firecrackerVmm, found, noKvm: whyNotHere(), how: hostSchema, basis: [jailer ?? ''] },
    async (binary, version) => {
      const host = { binary: realpathSync(binary), jailer };
      const failure = whyNot(await probeBoot(options, (spec, signal) => boot(spec, host, signal)));
      const proof = { binary, version };
      if (failure !== null) {
        const reason = `Firecracker ${version}: /dev/kvm opens, but a probe VM did not boot on it (${failure})`;
        return { ...proof, how: null, reason, doubtful: true };
      }
      const where = jailer === null ? 'without jailer' : 'in its jailer';
      return { ...proof, how: host, reason: `Firecracker ${version} on KVM, ${where}: a probe VM booted on it` };
    },
  );
}

/**
 * The jailer that belongs to a Firecracker: the one that NOVA_JAILER names, else the one beside it, which is of the
 * same release, else one that is installed. It needs root, because it changes root, user and namespaces.
 */
function findJailer(binary: string, vmmDirectory: string): string | null {
  if (process.getuid?.() !== 0) return null;
  const found = findBinary(jailerProgram, vmmDirectory);
  if (found.path !== null && found.source === 'environment') return found.path;
  const beside = join(dirname(realpathSync(binary)), 'jailer');
  return existsSync(beside) ? beside : found.path;
}
