import { join } from 'node:path';
import {
  everything,
  isLive,
  isNovaError,
  within,
  type SandboxInfo,
  type SandboxStats,
  type Scope,
} from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { CallContext, SandboxFilter, SandboxLogs } from '../services.ts';
import { boundLogs, consoleLog, fileTail, vmmLog } from '../vmm/logs.ts';
import { attachMachine } from './attach-machine.ts';
import { connectToAgent, findSandbox, requireRunning } from './find.ts';
import { deadlineOf } from './identity.ts';
import { toInfo } from './info.ts';
import { settle } from './reconcile.ts';
import { tellInBackground } from '../ports/background.ts';
import type { SandboxRecord } from '../ports/store.ts';

const mebibyte = 1024 * 1024;
const round = (value: number): number => Math.round(value * 100) / 100;

export async function listSandboxes(
  context: EngineContext,
  { all = false, labels = {}, owner, team }: SandboxFilter = {},
  scope: Scope = everything,
): Promise<SandboxInfo[]> {
  // They are settled side by side, so that a slow one does not delay the others.
  const infos = await Promise.all(
    context.store
      .listSandboxes()
      .filter((record) => record.pool === null && within(scope, record))
      .map((record) => infoNow(context, record)),
  );
  const current = infos.filter((info) => info !== null);
  return current.filter(
    (info) =>
      (all || isLive(info.state)) &&
      (owner === undefined || info.owner === owner) &&
      (team === undefined || info.team === team) &&
      Object.entries(labels).every(([key, value]) => info.labels[key] === value),
  );
}

/**
 * One sandbox that fails to settle does not hide the others: it is listed as recorded, or left out where the record is
 * unusable.
 */
async function infoNow(context: EngineContext, record: SandboxRecord): Promise<SandboxInfo | null> {
  try {
    const settled = await settle(context, record);
    return settled === null ? null : toInfo(settled);
  } catch (error) {
    tellInBackground(`looking at the sandbox ${record.id}`, error);
    try {
      return toInfo(record);
    } catch {
      return null;
    }
  }
}

/** Statistics: the guest's own report, and the host's measurements of its VMM. */
export async function sandboxStats(context: EngineContext, ref: string): Promise<SandboxStats> {
  const { agent, machine } = await connectToAgent(context, ref);
  const [guest, host] = await Promise.all([agent.metrics(), machine.stats()]);
  return {
    timestamp: new Date().toISOString(),
    uptimeMs: guest.uptimeMs,
    cpuCount: guest.cpuCount,
    cpuUsageUs: guest.cpuUserUs + guest.cpuSystemUs,
    memoryTotalMb: round(guest.memTotalBytes / mebibyte),
    memoryUsageMb: round((guest.memTotalBytes - guest.memAvailableBytes) / mebibyte),
    memoryCacheMb: round(guest.memCacheBytes / mebibyte),
    diskTotalMb: round(guest.diskTotalBytes / mebibyte),
    diskUsageMb: round(guest.diskUsedBytes / mebibyte),
    processes: guest.processes,
    networkRxBytes: guest.netRxBytes,
    networkTxBytes: guest.netTxBytes,
    host: { rssMb: round(host.rssBytes / mebibyte), cpuUsageUs: host.cpuUs },
  };
}

/**
 * Sets the time to live, in the guest first: the guest powers itself off, even if no process of ours is left. A guest
 * that does not answer can still be given less time, because the host enforces it too, but not more: it would still
 * power off at its earlier deadline.
 */
export async function setSandboxTimeout(context: EngineContext, ref: string, timeoutMs: number): Promise<SandboxInfo> {
  const record = await requireRunning(context, ref);
  try {
    const { agent } = await context.links.get(record);
    await agent.deadline(deadlineOf(record.config, timeoutMs));
  } catch (error) {
    const sooner =
      record.config.onTimeout !== 'stop' ||
      (timeoutMs !== 0 && Date.now() + timeoutMs < (record.expiresAtMs ?? Infinity));
    if (!sooner || !isNovaError(error, 'guest_unreachable', 'guest_protocol_error')) throw error;
  }
  const expiresAtMs = timeoutMs === 0 ? null : Date.now() + timeoutMs;
  return toInfo(context.store.changeSandbox(record.id, ['running'], { expiresAtMs }) ?? { ...record, expiresAtMs });
}

const emptyConsoleOfClone =
  "The console is empty because this sandbox is a clone: it continues a snapshot's memory, and its kernel had printed its messages before the snapshot was taken. " +
  'Look at the log of the hypervisor (`nova logs --vmm`) or at the output of a command (`nova logs --exec`) instead.';
const defaultLogBytes = 64 * 1024;

export async function sandboxLogs(context: EngineContext, ref: string, bytes = defaultLogBytes): Promise<SandboxLogs> {
  const { id, bootKind } = await findSandbox(context, ref);
  const directory = context.layout.sandbox(id);
  const logs = {
    console: await fileTail(join(directory, consoleLog), bytes),
    vmm: await fileTail(join(directory, vmmLog), bytes),
  };
  await boundLogs(directory);
  return { ...logs, note: logs.console === '' && bootKind === 'snapshot' ? emptyConsoleOfClone : null };
}

/**
 * Waits until the sandbox no longer runs. For a sandbox that is removed as it ends, it returns the last state, as
 * stopped.
 */
export async function sandboxExited(
  context: EngineContext,
  ref: string,
  { signal }: CallContext = {},
): Promise<SandboxInfo> {
  const record = await findSandbox(context, ref);
  const machine = await attachMachine(context, record);
  if (machine === null) return toInfo(record);
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  signal?.addEventListener('abort', onAbort, { once: true });
  // The signal may have fired while the machine was being attached.
  if (signal?.aborted === true) onAbort();
  try {
    await Promise.race([machine.exited, aborted.promise]);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    machine.release();
  }
  throwIfAborted(signal, 'while waiting for the sandbox to end');
  const after = await settle(context, record);
  return toInfo(after ?? { ...record, state: 'stopped', machine: null });
}
