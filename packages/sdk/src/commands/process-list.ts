import type { GuestProcess } from '@novasandbox/engine/services';
import { NovaError, type ProcessInfo } from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';

/** Lists the processes of a sandbox as the public API shows them. */
export async function listProcesses(scope: SandboxScope, signal?: AbortSignal): Promise<ProcessInfo[]> {
  const processes = await scope.engine.exec.list(scope.id, { signal });
  return processes.map(toProcessInfo);
}

/** Finds the process with that pid. A running process takes precedence over an ended one with the same pid. */
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
  // The guest's clock cannot be trusted, and a Date beyond its range throws, so the value is bounded.
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
