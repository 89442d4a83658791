import { spawnSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import type { Engine } from '@novasandbox/engine';

/** Describes the host on which the figures were measured. */
export async function describeHost(engine: Engine): Promise<Record<string, string>> {
  const found = await engine.hypervisors();
  const qemu = found.find(({ name }) => name === 'qemu');
  const version = (program: string): string =>
    (spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout ?? '').split('\n')[0]?.trim() ?? '';
  return {
    date: new Date().toISOString(),
    cpu: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    kernel: release(),
    node: process.version,
    hypervisor: qemu?.probe.reason ?? 'none',
    accelerator: qemu?.probe.accelerator ?? 'none',
    runsc: version('runsc') || 'not available',
    bwrap: version('bwrap') || 'not available',
  };
}
