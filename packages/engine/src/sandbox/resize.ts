import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError, parse, resizeSchema, type Resize, type SandboxInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { CallContext } from '../services.ts';
import { unsupported } from './features.ts';
import { linked } from './find.ts';
import { toInfo } from './info.ts';

/** Changes what a running sandbox has of CPUs and memory; it keeps its new size when it is started again. */
export async function resizeSandbox(
  context: EngineContext,
  ref: string,
  input: Resize,
  { signal }: CallContext = {},
): Promise<SandboxInfo> {
  const to = parse(resizeSchema, input, 'size');
  const { record, machine, agent } = await linked(context, ref, signal);
  if (machine.resize === undefined) throw unsupported(context, record.hypervisor, 'resize');
  await machine.resize(to, { signal });
  const { vcpus = record.vcpus, memoryMb = record.memoryMb } = to;
  const changed = context.store.changeSandbox(record.id, ['running'], { vcpus, memoryMb });
  if (vcpus > record.vcpus) await bringOnline(agent, vcpus, signal);
  if (changed === null) throw new NovaError('sandbox_not_running', `The sandbox ${record.id} ended meanwhile.`);
  return toInfo(changed);
}

/** A guest sees a new CPU within moments, or never. */
const seenWithinMs = 10_000;
const lookEveryMs = 10;
const cpus = '/sys/devices/system/cpu';

/** Linux leaves a CPU that was added switched off (memory it takes by itself, as its command line says). */
async function bringOnline(agent: GuestAgent, vcpus: number, signal: AbortSignal | undefined): Promise<void> {
  // The first cannot be switched.
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
