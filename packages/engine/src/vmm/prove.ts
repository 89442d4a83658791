import { spawnSync } from 'node:child_process';
import { z } from 'zod';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { DriverProbe, ProbeOptions } from '../ports/vmm-driver.ts';
import type { FoundBinary } from './binary.ts';
import { createSharedProbe, type SharedProbe } from './shared-probe.ts';
import { believedMs, keptVerdict } from './verdict.ts';
import { versionIn, whyNotVersion } from './versions.ts';
import type { Vmm } from './vmm.ts';

/** The result of probing a VMM on this host. */
export interface Proof<How> {
  /** How machines are started here; null: the VMM does not work here. */
  readonly how: How | null;
  readonly binary: string;
  readonly version: string;
  /** One line for people. */
  readonly reason: string;
  /** The verdict rests on a probe VM that failed, perhaps for a reason that passes, so it is kept only for a while. */
  readonly doubtful?: boolean;
}

/** Probes a VMM for all callers, and remembers the result. */
export interface Prover<How> extends SharedProbe<Proof<How>> {
  /** Resolves with how machines are started. Rejects with `hypervisor_unavailable` where the VMM does not work here. */
  require(asked: ProbeOptions): Promise<How>;
}

const keptForMs = ({ how, doubtful }: Proof<unknown>): number => believedMs(how !== null, doubtful);

export function createProver<How>(prove: (asked: ProbeOptions) => Promise<Proof<How>>): Prover<How> {
  const shared = createSharedProbe(prove, keptForMs);
  return {
    ...shared,
    async require(asked) {
      throwIfAborted(asked.signal, 'before the VMM was started');
      const { how, reason } = await shared.ask(asked);
      if (how === null) throw new NovaError('hypervisor_unavailable', reason);
      return how;
    },
  };
}

/** A proof in the form of the port. `accelerator` is the one that machines use where they can be started. */
export const probeOf = ({ how, binary, version, reason }: Proof<unknown>, accelerator: string): DriverProbe => ({
  available: how !== null,
  accelerator: how === null ? 'none' : accelerator,
  version,
  binary,
  reason,
});

export interface ProveOptions<How> extends ProbeOptions {
  readonly vmm: Pick<Vmm, 'name' | 'title' | 'versions'>;
  readonly found: FoundBinary;
  /** Why this host has no KVM, for VMMs that need it; else null. */
  readonly noKvm: string | null;
  readonly probeDirectory: string;
  readonly how: z.ZodType<How>;
  /** Facts besides the VMM's program and the host's kernel that the verdict depends on. */
  readonly basis?: readonly string[];
}

/**
 * Finds out whether a VMM works here: whether its program exists, runs, and has a usable version; then `decide` boots a
 * guest on it. The verdict that it works is kept on disk for as long as this boot of the host, its kernel and the
 * program stay the same.
 */
export async function proveVmm<How>(
  options: ProveOptions<How>,
  decide: (binary: string, version: string) => Promise<Proof<How>>,
): Promise<Proof<How>> {
  const { vmm, found, noKvm, how, basis, probeDirectory } = options;
  if (found.path === null) return { how: null, binary: '', version: '', reason: found.reason };
  const binary = found.path;
  const without = (reason: string, version = ''): Proof<How> => ({ how: null, binary, version, reason });
  const examine = async (): Promise<Proof<How>> => {
    const said = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
    const version = versionIn(said.stdout ?? '');
    if (version === null) return without(`${binary} does not run: ${(said.stderr ?? '').trim()}`);
    const refused = whyNotVersion(vmm.versions, version);
    if (refused !== null) return without(`${vmm.title}: ${refused}`, version);
    if (noKvm !== null) return without(`${vmm.title} ${version} needs KVM: ${noKvm}`, version);
    return decide(binary, version);
  };
  // An earlier proof does not count on a host that has lost its KVM.
  if (noKvm !== null) return examine();
  return keptVerdict(
    {
      directory: probeDirectory,
      name: vmm.name,
      binary,
      schema: proofSchema(how),
      fresh: options.fresh === true,
      works: (proof) => proof.how !== null,
      keptForMs,
      ...(basis === undefined ? {} : { basis }),
    },
    examine,
  );
}

const proofSchema = <How>(how: z.ZodType<How>): z.ZodType<Proof<How>> =>
  z.object({
    how: how.nullable(),
    binary: z.string(),
    version: z.string(),
    reason: z.string(),
    doubtful: z.boolean().exactOptional(),
  });
