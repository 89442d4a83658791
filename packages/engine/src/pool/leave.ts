import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parse, sandboxConfigSchema, type SandboxConfigInput } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { deleteSandbox, endProcessesOf } from '../sandbox/delete.ts';
import { sweep } from '../sandbox/reconcile.ts';
import { dismissEnder } from '../sandbox/left-clone.ts';
import { pooledConfig, whyUnpoolable } from '../sandbox/pool-fields.ts';
import { identify, ownIdentity, type ProcessIdentity } from '../vmm/process-identity.ts';
import { makePooledClone, recipeFor } from './fill.ts';
import { hasRoomFor, hostMemory } from './host-memory.ts';

export interface LeaveOptions {
  /** How long the clone waits for the next command, ms. */
  readonly keepMs: number;
  /** The program with its arguments that calls `endLeftClones` once that time is over. */
  readonly ender: readonly string[];
  readonly signal: AbortSignal;
}

/** Names the lease of the process that makes the clone: a state folder has one at most. */
const making = 'clone to leave behind';

/**
 * Makes a clone that waits for the next command although no process of ours runs. A small process, which only waits,
 * holds the clone and ends it when its time is over. False where there is such a clone already, or the host has no room
 * for one, or nothing is built that it could be a clone of.
 */
export async function leaveClone(
  context: EngineContext,
  input: SandboxConfigInput,
  { keepMs, ender, signal }: LeaveOptions,
): Promise<boolean> {
  const given = parse(sandboxConfigSchema, input, 'sandbox config');
  if (whyUnpoolable(given) !== null) return false;
  const lease = context.store.takeLease(making, 1);
  if (lease === null) return false;
  try {
    const recipe = await recipeFor(context, pooledConfig(given), signal);
    if (recipe === null) return false;
    const others = leftClones(context);
    if (others.some(({ pool }) => pool?.shape === recipe.shape)) return false;
    for (const other of others) await endClone(context, other.id);
    if (!hasRoomFor(recipe.plan.memoryMb, hostMemory())) return false;
    let holder: ProcessIdentity | undefined;
    try {
      await makePooledClone(context, recipe, {
        signal,
        entrust: async ({ agent, channel, machine }) => {
          // Another process takes the clone, so the session ends at a frame boundary.
          await agent.close();
          context.store.releaseLease(machine.record.id, channel);
          holder = await startHolder(keepMs, ender);
          return { maker: holder, expiresAtMs: Date.now() + keepMs };
        },
      });
    } catch (error) {
      if (holder !== undefined) process.kill(-holder.pid, 'SIGTERM');
      throw error;
    }
    return true;
  } finally {
    context.store.releaseLease(making, lease);
    // The sandbox that the command before has abandoned, if that command still ran when this process began.
    await sweep(context, ['stopping']);
  }
}

/** Ends the clones that commands have left behind, and whose time is over or whose holder has become this process. */
export async function endLeftClones(context: EngineContext): Promise<void> {
  const { pid } = ownIdentity();
  for (const { id, maker, pool } of leftClones(context))
    if (maker?.pid === pid || (pool?.expiresAtMs ?? Infinity) <= Date.now()) await endClone(context, id);
}

const leftClones = ({ store }: EngineContext): SandboxRecord[] =>
  store.listSandboxes(['creating']).filter(({ pool }) => pool?.ready === true && pool.expiresAtMs !== null);

/** Ends a clone that waits, whoever keeps it; false where somebody has taken it. */
export async function endClone(context: EngineContext, id: string): Promise<boolean> {
  const clone = context.store.withdrawFromPool(id);
  if (clone === null) return false;
  dismissEnder(clone);
  await endProcessesOf(context, id);
  await deleteSandbox(context, id);
  return true;
}

/**
 * Starts the process that holds a clone: a shell, which takes a hundredth of the memory of Node, and becomes `ender`
 * when the time is over. It leads a process group, so that whoever takes the clone can end it with all of its own.
 */
async function startHolder(keepMs: number, ender: readonly string[]): Promise<ProcessIdentity> {
  const script = 'sleep "$0"; exec "$@"';
  const child = spawn('/bin/sh', ['-c', script, String(Math.ceil(keepMs / 1000)), ...ender], {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
  });
  await once(child, 'spawn');
  child.unref();
  const identity = child.pid === undefined ? null : identify(child.pid);
  if (identity === null) throw new Error('the process that holds a clone has ended at once');
  return identity;
}
