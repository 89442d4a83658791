import { NovaError, type SandboxState, type Scope } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Link } from '../ports/guest-links.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { isAsleep } from './kept-memory.ts';
import { settle } from './reconcile.ts';

/** The sandbox meant by an id, a prefix or a name, as it is now. */
export async function findSandbox(context: EngineContext, ref: string, scope?: Scope): Promise<SandboxRecord> {
  const record = context.store.findSandbox(ref, scope);
  const current = record === null ? null : await settle(context, record);
  if (current === null) throw new NovaError('sandbox_not_found', `There is no sandbox "${ref}".`);
  return current;
}

const hints: Readonly<Record<Exclude<SandboxState, 'running'>, string>> = {
  creating: 'Wait until it has started.',
  paused: 'Resume it with `nova resume`.',
  hibernated: 'Wake it with `nova resume`.',
  stopping: 'Wait until it has stopped, and start it with `nova start`.',
  stopped: 'Start it with `nova start`.',
  failed: 'Remove it with `nova rm --force`.',
};

/** The sandbox, provided that it runs. */
export async function requireRunning(context: EngineContext, ref: string): Promise<SandboxRecord> {
  const record = await findSandbox(context, ref);
  refuseUnlessRunning(record);
  return record;
}

function refuseUnlessRunning(record: SandboxRecord): void {
  const { id, name } = record;
  const state = isAsleep(record) ? 'hibernated' : record.state;
  if (state !== 'running')
    throw new NovaError('sandbox_not_running', `The sandbox ${name ?? id} is ${state}.`, { hint: hints[state] });
}

/** Why a running sandbox stands still; its record says so for as long as it does. */
export const waitsForSpace = "the host's disk is full: it waits for space, and then goes on where it was";

/** Refuses a sandbox whose guest waits for space, because it cannot answer now. */
export function requireSpace(record: SandboxRecord): void {
  if (record.reason !== waitsForSpace) return;
  throw new NovaError(
    'host_resource_exhausted',
    `The sandbox ${record.name ?? record.id} stands still: ${waitsForSpace}.`,
  );
}

/** A running sandbox with its machine and a session with its agent. */
export async function connectToAgent(
  context: EngineContext,
  ref: string,
  signal?: AbortSignal,
): Promise<Link & { readonly record: SandboxRecord }> {
  return connectTo(context, await findSandbox(context, ref), signal);
}

/** The same for a sandbox that was looked up already. */
export async function connectTo(
  context: EngineContext,
  record: SandboxRecord,
  signal?: AbortSignal,
): Promise<Link & { readonly record: SandboxRecord }> {
  refuseUnlessRunning(record);
  requireSpace(record);
  return { record, ...(await context.links.get(record, signal)) };
}
