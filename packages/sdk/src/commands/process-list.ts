import type { GuestProcess } from '@novasandbox/engine/services';
import { NovaError, type ProcessInfo } from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';

/** Processes of a sandbox as the public API shows them. */
export async function listProcesses(scope: SandboxScope, signal?: AbortSignal): Promise<ProcessInfo[]> {
  const processes = await scope.engine.exec.list(scope.id, { signal });
  return processes.map(toProcessInfo);
}

/** The process with that pid; a running one where an ended one had the same. */
export async function findProcess(scope: SandboxScope, pid: number): Promise<ProcessInfo> {
  const found = (await listProcesses(scope))
    .filter((process) => process.pid === pid)
    .sort((a, b) => Number(b.running) - Number(a.running) || b.id - a.id)[0];
  if (found === undefined) {
    throw new NovaError('process_not_found', `Sandbox ${scope.id} has no process ${pid} that was started through it.`);
  }
  return found;
}

function toProcessInfo(process: GuestProcess): ProcessInfo {
  // The guest's clock is the guest's word: bounded, since a Date beyond its range throws.
  const startedMs = Math.min(Math.max(Number(process.startedNs / 1_000_000n), 0), 8_640_000_000_000_000);
  return {
    id: process.execId,
    pid: process.pid,
    argv: [...process.argv],
    cwd: process.cwd,
    user: process.user,
    tag: process.tag,
    startedAt: new Date(startedMs).toISOString(),
    running: process.running,
    pty: process.pty,
    exitCode: process.exit?.exitCode ?? null,
  };
}
