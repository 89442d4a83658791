import { rm } from 'node:fs/promises';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { removeCgroup } from '../vmm/cgroup.ts';
import { processesNaming } from '../vmm/find-processes.ts';
import { boundLogs } from '../vmm/logs.ts';
import { isAlive } from '../vmm/process-identity.ts';
import { terminate } from '../vmm/terminate.ts';

/**
 * Brings a record in line with the host: a sandbox whose VMM has ended is stopped, one whose maker was killed is debris. Returns the record as it
 * is then, or null when it has gone. One look at /proc when all is as recorded.
 */
export async function settle(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord | null> {
  switch (record.state) {
    case 'creating':
      return record.maker !== null && isAlive(record.maker) ? record : clearDebris(context, record);
    case 'running':
    case 'paused':
      if (record.machine !== null && isAlive(record.machine)) return record;
      return ended(context, record, reasonOf(record));
    case 'stopped':
    case 'failed':
      return record;
  }
}

/** The VMM has ended: what it held on the host goes, the disk stays unless the sandbox was to go with it. */
export async function ended(
  context: EngineContext,
  record: SandboxRecord,
  reason: string | null,
): Promise<SandboxRecord | null> {
  await context.links.drop(record.id);
  await releaseHost(context, record.id);
  if (record.config.ephemeral) {
    await deleteSandbox(context, record.id);
    return null;
  }
  await boundLogs(context.layout.sandbox(record.id));
  const change = { state: 'stopped', stoppedAtMs: Date.now(), machine: null, reason } as const;
  return context.store.changeSandbox(record.id, ['running', 'paused'], change) ?? context.store.findSandbox(record.id);
}

/** Removes what is left of sandboxes whose makers were killed. Looks only at those that are being made. */
export async function sweep(context: EngineContext): Promise<void> {
  for (const record of context.store.listSandboxes(['creating'])) await settle(context, record);
}

export async function deleteSandbox(context: EngineContext, id: string): Promise<void> {
  await rm(context.layout.sandbox(id), { recursive: true, force: true, maxRetries: 3 });
  context.store.removeSandbox(id);
}

async function clearDebris(context: EngineContext, record: SandboxRecord): Promise<SandboxRecord | null> {
  for (const orphan of processesNaming(context.layout.sockets(record.id))) await terminate(orphan, 0);
  await releaseHost(context, record.id);
  // A sandbox that was being started again has a disk to keep; one that was being made has nothing.
  if (record.startedAtMs !== null) {
    return context.store.changeSandbox(record.id, ['creating'], {
      state: 'stopped',
      maker: null,
      machine: null,
      reason: 'its start was interrupted',
    });
  }
  await deleteSandbox(context, record.id);
  return null;
}

async function releaseHost(context: EngineContext, id: string): Promise<void> {
  await rm(context.layout.sockets(id), { recursive: true, force: true });
  await removeCgroup(id);
}

function reasonOf(record: SandboxRecord): string {
  // The guest's timer and ours may differ by a moment.
  const toleranceMs = 3000;
  const expired = record.expiresAtMs !== null && Date.now() >= record.expiresAtMs - toleranceMs;
  return expired ? 'its time to live ended' : 'the guest powered off or its VMM ended';
}
