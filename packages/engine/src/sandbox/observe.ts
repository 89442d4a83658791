import { join } from 'node:path';
import {
  everything,
  isNovaError,
  within,
  type SandboxInfo,
  type SandboxStats,
  type Scope,
} from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { CallContext, SandboxFilter } from '../services.ts';
import { boundLogs, consoleLog, fileTail, vmmLog } from '../vmm/logs.ts';
import { attachMachine, found, linked, running } from './find.ts';
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
  // Each for itself: the end of one that takes its time holds up no other.
  const infos = await Promise.all(
    context.store
      .listSandboxes()
      .filter((record) => within(scope, record))
      .map((record) => infoNow(context, record)),
  );
  const current = infos.filter((info) => info !== null);
  return current.filter(
    (info) =>
      (all || info.state === 'running' || info.state === 'paused') &&
      (owner === undefined || info.owner === owner) &&
      (team === undefined || info.team === team) &&
      Object.entries(labels).every(([key, value]) => info.labels[key] === value),
  );
}

/** One sandbox that fails to settle does not hide the others: it is listed as recorded, or left out where the record is unusable. */
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

/** What the guest says of itself beside what the host sees of its VMM. */
export async function sandboxStats(context: EngineContext, ref: string): Promise<SandboxStats> {
  const { agent, machine } = await linked(context, ref);
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
 * Sets the time to live, in the guest first: it powers itself off, whoever is still there. A guest that does not answer can be given less time all the same, which the host
 * keeps; not more, as it would still end when it was told before.
 */
export async function setSandboxTimeout(context: EngineContext, ref: string, timeoutMs: number): Promise<SandboxInfo> {
  const record = await running(context, ref);
  try {
    const { agent } = await context.links.get(record);
    await agent.deadline(timeoutMs === 0 ? null : timeoutMs);
  } catch (error) {
    const sooner = timeoutMs !== 0 && Date.now() + timeoutMs < (record.expiresAtMs ?? Infinity);
    if (!sooner || !isNovaError(error, 'guest_unreachable', 'guest_protocol_error')) throw error;
  }
  const expiresAtMs = timeoutMs === 0 ? null : Date.now() + timeoutMs;
  return toInfo(context.store.changeSandbox(record.id, ['running'], { expiresAtMs }) ?? { ...record, expiresAtMs });
}

const defaultLogBytes = 64 * 1024;

export async function sandboxLogs(
  context: EngineContext,
  ref: string,
  bytes = defaultLogBytes,
): Promise<{ console: string; vmm: string }> {
  const directory = context.layout.sandbox((await found(context, ref)).id);
  const logs = {
    console: await fileTail(join(directory, consoleLog), bytes),
    vmm: await fileTail(join(directory, vmmLog), bytes),
  };
  await boundLogs(directory);
  return logs;
}

/** Waits until the sandbox no longer runs. One that is removed as it ends is told as it was, stopped. */
export async function sandboxExited(
  context: EngineContext,
  ref: string,
  { signal }: CallContext = {},
): Promise<SandboxInfo> {
  const record = await found(context, ref);
  const machine = await attachMachine(context, record);
  if (machine === null) return toInfo(record);
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  signal?.addEventListener('abort', onAbort, { once: true });
  // It may have fired while the machine was looked for.
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
