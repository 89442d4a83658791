import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError, parse, resizeSchema, type Resize, type SandboxInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { CallContext } from '../services.ts';
import { unsupported } from '../guest/features.ts';
import { requireRoom } from '../guest/host-limits.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { connectToAgent, findSandbox } from './find.ts';
import { growDisk, growImage } from './grow-disk.ts';
import { toInfo } from './info.ts';
import { diskOf } from './disk.ts';

/**
 * Changes the CPUs and the memory of a running sandbox, and the size of its disk, also while it is stopped. It keeps
 * its new sizes when it is started again.
 */
export async function resizeSandbox(
  context: EngineContext,
  ref: string,
  input: Resize,
  { signal }: CallContext = {},
): Promise<SandboxInfo> {
  const to = parse(resizeSchema, input, 'size');
  await requireRoom(context, to);
  const { vcpus, memoryMb, diskSizeMb } = to;
  const found = await findSandbox(context, ref);
  if (diskSizeMb !== undefined) requireGrowth(found, diskSizeMb);
  if (found.state === 'stopped' && diskSizeMb !== undefined && vcpus === undefined && memoryMb === undefined)
    return growStopped(context, found, diskSizeMb);
  const link = await connectToAgent(context, found.id, signal);
  let { record } = link;
  if (vcpus !== undefined || memoryMb !== undefined) record = await resizeMachine(context, link, to, signal);
  if (diskSizeMb !== undefined) {
    const disk = { image: diskOf(context, record), bytes: diskSizeMb * mebibyte, index: 1, mountedAt: '/' };
    await growDisk(context, link, disk, { signal });
    record = changed(record, context.store.changeSandbox(record.id, ['running'], { diskSizeMb }));
  }
  return toInfo(record);
}

const mebibyte = 1024 * 1024;

/** Refuses a size that the disk cannot have. A disk that has it already is left alone. */
function requireGrowth({ config, diskSizeMb, id, name }: SandboxRecord, wantedMb: number): void {
  if (config.readOnlyRootfs || config.firmwarePath !== undefined)
    throw new NovaError('invalid_argument', `diskSizeMb: the sandbox ${name ?? id} has no writable layer.`);
  if (wantedMb < diskSizeMb)
    throw new NovaError(
      'invalid_argument',
      `diskSizeMb: ${wantedMb} is less than the ${diskSizeMb} MiB that the disk has; a disk can only grow.`,
    );
}

/** The guest grows its file system when it boots. */
function growStopped(context: EngineContext, record: SandboxRecord, diskSizeMb: number): SandboxInfo {
  growImage(diskOf(context, record), diskSizeMb * mebibyte);
  return toInfo(changed(record, context.store.changeSandbox(record.id, ['stopped'], { diskSizeMb })));
}

async function resizeMachine(
  context: EngineContext,
  { record, machine, agent }: Awaited<ReturnType<typeof connectToAgent>>,
  to: Resize,
  signal: AbortSignal | undefined,
): Promise<SandboxRecord> {
  if (machine.resize === undefined) throw unsupported(context, record.hypervisor, 'resize');
  const { vcpus = record.vcpus, memoryMb = record.memoryMb } = to;
  await machine.resize({ vcpus: to.vcpus, memoryMb: to.memoryMb }, { signal });
  const resized = context.store.changeSandbox(record.id, ['running'], { vcpus, memoryMb });
  if (vcpus > record.vcpus) await bringOnline(agent, vcpus, signal);
  return changed(record, resized);
}

function changed({ id }: SandboxRecord, record: SandboxRecord | null): SandboxRecord {
  if (record !== null) return record;
  throw new NovaError('sandbox_not_running', `The sandbox ${id} was started, or ended, meanwhile.`);
}

/** A guest sees a new CPU within moments, or never. */
const seenWithinMs = 10_000;
const lookEveryMs = 10;
const cpus = '/sys/devices/system/cpu';

/**
 * Switches added CPUs on, which Linux does not do by itself. Added memory comes online by itself, as the kernel command
 * line says.
 */
async function bringOnline(agent: GuestAgent, vcpus: number, signal: AbortSignal | undefined): Promise<void> {
  // CPU 0 cannot be switched off, and has no file for it.
  for (let cpu = 1; cpu < vcpus; cpu++) {
    const file = `${cpus}/cpu${cpu}/online`;
    await untilThere(agent, file, signal);
    await agent.writeFile(file, [Buffer.from('1')], { user: 'root' }, { signal });
  }
}

async function untilThere(agent: GuestAgent, path: string, signal: AbortSignal | undefined): Promise<void> {
  const end = performance.now() + seenWithinMs;
  for (;;) {
    try {
      await agent.stat(path, 'root', { signal });
      return;
    } catch (error) {
      if (!isNovaError(error, 'file_not_found')) throw error;
      if (performance.now() > end)
        throw new NovaError('vmm_failed', `The guest has not taken the new CPU: there is no ${path} in it.`);
    }
    await delay(lookEveryMs, undefined, { signal });
  }
}
