import { NovaError, type Scope } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine } from '../ports/vmm-driver.ts';
import type { Link } from './links.ts';
import { settle } from './reconcile.ts';

/** The sandbox meant by an id, a prefix or a name, as it is now. */
export async function found(context: EngineContext, ref: string, scope?: Scope): Promise<SandboxRecord> {
  const record = context.store.findSandbox(ref, scope);
  const current = record === null ? null : await settle(context, record);
  if (current === null) throw new NovaError('sandbox_not_found', `There is no sandbox "${ref}".`);
  return current;
}

/** The sandbox, provided that it runs. */
export async function running(context: EngineContext, ref: string): Promise<SandboxRecord> {
  const record = await found(context, ref);
  if (record.state === 'running') return record;
  const hint =
    record.state === 'paused'
      ? 'Resume it with `nova resume`.'
      : record.state === 'creating'
        ? 'Wait until it has started.'
        : 'Start it with `nova start`.';
  throw new NovaError('sandbox_not_running', `The sandbox ${record.name ?? record.id} is ${record.state}.`, { hint });
}

/** Why a running sandbox stands still; its record says so for as long as it does. */
export const waitsForSpace = "the host's disk is full: it waits for space, and then goes on where it was";

/** Refuses what a guest that waits for space cannot do now. */
export function requireSpace(record: SandboxRecord): void {
  if (record.reason !== waitsForSpace) return;
  throw new NovaError(
    'host_resource_exhausted',
    `The sandbox ${record.name ?? record.id} stands still: ${waitsForSpace}.`,
  );
}

/** A session with a running sandbox's agent. */
export async function linked(
  context: EngineContext,
  ref: string,
  signal?: AbortSignal,
): Promise<Link & { readonly record: SandboxRecord }> {
  const record = await running(context, ref);
  requireSpace(record);
  return { record, ...(await context.links.get(record, signal)) };
}

export async function attachMachine(context: EngineContext, record: SandboxRecord): Promise<Machine | null> {
  if (record.machine === null) return null;
  return (await context.drivers.get(record.hypervisor)?.attach(record.machine)) ?? null;
}
