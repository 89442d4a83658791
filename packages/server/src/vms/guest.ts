import type { ExecRequest, GuestProcess } from '@novasandbox/engine';
import type { Services } from '../context.ts';
import { restarting } from './restarting.ts';
import { whileStarting } from './while-starting.ts';
import { argvOf, endWireOf, NovaError, toNovaError } from '@novasandbox/protocol';
import { maxCollectedOutputBytes, restartMs, type Execute } from '@novasandbox/protocol/api';

/** Converts a command into the engine's request. A string is run by a shell; an array is executed as it is. */
export function requestOf(
  body: Omit<Execute, 'stdin'> & { readonly stdin?: string | boolean | undefined },
): ExecRequest {
  return {
    argv: argvOf(body.command),
    cwd: body.working_directory,
    env: body.environment,
    user: body.user,
    timeoutMs: Math.round(body.timeout_seconds * 1000),
    stdin: body.stdin !== undefined && body.stdin !== false,
    tag: body.tag,
    ...(body.keep_running ? { waitMs: 0 } : {}),
  };
}

/** Runs a command to its end. Output beyond the limit is read and dropped, so that the command is not blocked. */
export async function executeToEnd(
  engine: Services,
  ref: string,
  body: Execute,
  { signal, leaving }: { readonly signal: AbortSignal | undefined; readonly leaving: AbortSignal },
) {
  const startedAt = performance.now();
  // The client's signal cancels only the start. Without a signal the command runs on when the client disconnects.
  const process = await whileStarting(signal, (starting) =>
    engine.exec.start(ref, requestOf(body), { signal: starting }),
  );
  const leave = (): void => void process.leave(leaving.aborted ? restartMs : undefined).catch(() => undefined);
  if (signal?.aborted === true || leaving.aborted) leave();
  signal?.addEventListener('abort', leave, { once: true });
  leaving.addEventListener('abort', leave, { once: true });
  try {
    // The input is not awaited: a command may write before it reads, or end without reading.
    if (body.stdin !== undefined) {
      void process
        .writeStdin(Buffer.from(body.stdin))
        .then(() => process.closeStdin())
        .catch(() => undefined);
    }
    const collected: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] };
    const room = { stdout: maxCollectedOutputBytes, stderr: maxCollectedOutputBytes };
    let truncated = false;
    for await (const { channel, bytes } of process.output) {
      const to = channel === 'stderr' ? 'stderr' : 'stdout';
      const taken = bytes.subarray(0, room[to]);
      truncated ||= taken.length < bytes.length;
      room[to] -= taken.length;
      if (taken.length > 0) collected[to].push(taken);
    }
    if (signal?.aborted === true) throw new NovaError('cancelled', 'The client has disconnected.');
    const exit = await process.exit;
    return {
      ...endWireOf(exit),
      stdout: Buffer.concat(collected.stdout).toString(),
      stderr: Buffer.concat(collected.stderr).toString(),
      duration_ms: Math.round((performance.now() - startedAt) * 100) / 100,
      truncated,
      process_id: process.execId,
    };
  } catch (error) {
    throw leaving.aborted ? restarting() : error;
  } finally {
    signal?.removeEventListener('abort', leave);
    leaving.removeEventListener('abort', leave);
    leave();
  }
}

export async function processesOf(engine: Services, ref: string, signal: AbortSignal) {
  return { processes: (await engine.exec.list(ref, { signal })).map(processOf) };
}

function processOf(process: GuestProcess) {
  return {
    id: process.execId,
    pid: process.pid,
    argv: [...process.argv],
    cwd: process.cwd,
    user: process.user,
    tag: process.tag,
    started_at: dateOf(process.startedNs),
    running: process.running,
    pty: process.pty,
    exit_code: process.exit?.exitCode ?? null,
  };
}

/** The guest may report any time; a value that is no valid date becomes 1970-01-01. */
function dateOf(ns: bigint): string {
  const ms = Number(ns / 1_000_000n);
  return new Date(Math.abs(ms) <= 8.64e15 && ms >= 0 && ms < 253_402_300_800_000 ? ms : 0).toISOString();
}

export async function ping(engine: Services, ref: string, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  await engine.exec.ping(ref, { signal });
  return Math.round((performance.now() - startedAt) * 100) / 100;
}

export async function guestFacts(engine: Services, ref: string, signal: AbortSignal) {
  const info = await engine.sandboxes.guestInfo(ref, { signal });
  return {
    agent_version: info.agentVersion,
    kernel: info.kernelRelease,
    hostname: info.hostname,
    boot_id: info.bootId,
    machine_id: info.machineId,
    architecture: info.arch,
    uptime_ms: info.uptimeMs,
    clock: dateOf(info.wallClockNs),
    agent_pid: info.pid,
    root_read_only: info.rootReadOnly,
  };
}

const healthMs = 5000;

/** Tells whether the guest answers in time. Throws `sandbox_not_found` for an unknown VM. */
export async function health(engine: Services, ref: string, signal: AbortSignal) {
  const { id, state } = await engine.sandboxes.get(ref);
  if (state !== 'running') return { healthy: false, detail: `it is ${state}` };
  try {
    const ms = await ping(engine, id, AbortSignal.any([signal, AbortSignal.timeout(healthMs)]));
    return { healthy: true, detail: `it answered in ${ms} ms` };
  } catch (error) {
    return { healthy: false, detail: toNovaError(error).message };
  }
}

export async function agentStatus(engine: Services, ref: string, signal: AbortSignal) {
  const { id, state } = await engine.sandboxes.get(ref);
  const unreachable = { reachable: false, version: null, round_trip_ms: null };
  if (state !== 'running') return unreachable;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(healthMs)]);
  try {
    const { agentVersion } = await engine.sandboxes.guestInfo(id, { signal: limited });
    return { reachable: true, version: agentVersion, round_trip_ms: await ping(engine, id, limited) };
  } catch {
    return unreachable;
  }
}
