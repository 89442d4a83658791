import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { Machine, MachineSpec, ProbeOptions } from '../../ports/vmm-driver.ts';
import { findProgram } from '../../vmm/confine.ts';
import { consoleLog, fileTail } from '../../vmm/logs.ts';
import type { Accelerator } from './config.ts';

/** A kernel and initramfs that announce themselves on the console once they run. */
export type ProbeGuest = (
  options: Pick<ProbeOptions, 'signal' | 'progress'>,
) => Promise<{ readonly kernel: string; readonly initramfs: string }>;

export interface QemuProbe {
  readonly accelerator: Accelerator | null;
  readonly version: string;
  /** One line for people. */
  readonly reason: string;
}

interface QemuProbeOptions extends ProbeOptions {
  readonly probeDirectory: string;
  readonly probeGuest: ProbeGuest;
  boot(spec: MachineSpec, accelerator: Accelerator): Promise<Machine>;
}

/** A guest on working hardware support says it is ready within a second or two. */
const probeTimeoutMs = 10_000;
/** Raised when a verdict holds something new. */
const verdictVersion = 2;
const readyLine = 'nova-agent: ready';

/** Which accelerator really runs a guest here. The verdict holds for this boot of the host, this QEMU and this kernel. */
export async function probeQemu(options: QemuProbeOptions): Promise<QemuProbe> {
  const binary = findProgram('qemu-system-x86_64');
  if (binary === null)
    return {
      accelerator: null,
      version: '',
      reason: 'qemu-system-x86_64 is not installed: apt-get install qemu-system-x86',
    };
  const file = join(options.probeDirectory, `qemu-${verdictKey(binary)}.json`);
  if (options.fresh !== true) {
    const kept = await readVerdict(file);
    if (kept !== null) return kept;
  }
  const verdict = await decide(binary, options);
  await mkdir(options.probeDirectory, { recursive: true });
  await writeFile(`${file}.${process.pid}`, JSON.stringify(verdict));
  await rename(`${file}.${process.pid}`, file);
  return verdict;
}

async function decide(binary: string, options: QemuProbeOptions): Promise<QemuProbe> {
  const said = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const version = /version (\S+)/.exec(said.stdout ?? '')?.[1] ?? '';
  if (version === '')
    return { accelerator: null, version, reason: `${binary} does not run: ${(said.stderr ?? '').trim()}` };
  const readOnlyMemory = atLeast(version, 8, 2);
  const emulated: Accelerator = { name: 'tcg', binary, readOnlyMemory };
  const without = (why: string): QemuProbe => ({
    accelerator: emulated,
    version,
    reason: `QEMU ${version} with software emulation (TCG): ${why}`,
  });

  if (process.platform === 'darwin') {
    return {
      accelerator: { name: 'hvf', binary, readOnlyMemory },
      version,
      reason: `QEMU ${version} with Apple's Hypervisor framework (HVF)`,
    };
  }
  if (!existsSync('/dev/kvm')) return without('this host has no /dev/kvm');
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return without('/dev/kvm may not be opened by this user (add it to the group kvm)');
  }
  // Debian's small build for microvms starts faster, but has no seccomp sandbox.
  const hardware: Accelerator = { name: 'kvm', binary, readOnlyMemory };
  const failure = await probeBoot(hardware, options);
  return failure === null
    ? { accelerator: hardware, version, reason: `QEMU ${version} with KVM: a probe VM booted on it` }
    : without(`/dev/kvm opens, but a probe VM did not boot on it (${failure})`);
}

/** Boots a guest with nothing but the agent. Null when it came up, else why not. */
async function probeBoot(accelerator: Accelerator, options: QemuProbeOptions): Promise<string | null> {
  const { kernel, initramfs } = await options.probeGuest(options);
  await mkdir(options.probeDirectory, { recursive: true });
  const directory = await mkdtemp(join(options.probeDirectory, 'boot'));
  const socketDirectory = await mkdtemp('/tmp/nova-probe-');
  try {
    await using machine = await options.boot(
      {
        id: `probe${process.pid}`,
        sequence: 0,
        directory,
        socketDirectory,
        memoryMb: 256,
        vcpus: 1,
        kernel,
        initramfs,
        kernelArguments: [],
        drives: [],
        network: { mode: 'none' },
        channels: 1,
      },
      accelerator,
    );
    return await ready(machine, options.signal);
  } catch (error) {
    if (isNovaError(error, 'vmm_failed')) return error.message.split('\n')[0] ?? 'QEMU refused';
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
    await rm(socketDirectory, { recursive: true, force: true });
  }
}

async function ready(machine: Machine, signal?: AbortSignal): Promise<string | null> {
  const end = performance.now() + probeTimeoutMs;
  let ended = false;
  void machine.exited.then(() => (ended = true));
  while (performance.now() < end) {
    if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled while probing.');
    if ((await fileTail(join(machine.record.directory, consoleLog), 65_536)).includes(readyLine)) return null;
    if (ended) return 'it ended at once';
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return `nothing heard within ${probeTimeoutMs / 1000} s`;
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}

function verdictKey(binary: string): string {
  const { size, mtimeMs } = statSync(binary);
  let boot = '';
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Hosts without it are told apart by kernel alone.
  }
  return createHash('sha256')
    .update([verdictVersion, boot, release(), binary, size, mtimeMs].join('\n'))
    .digest('hex')
    .slice(0, 16);
}

async function readVerdict(file: string): Promise<QemuProbe | null> {
  try {
    const value = JSON.parse(await readFile(file, 'utf8')) as QemuProbe;
    return value.accelerator === null || !existsSync(value.accelerator.binary) ? null : value;
  } catch {
    return null;
  }
}
