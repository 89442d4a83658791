import { snapshotIdFrom } from '@novasandbox/engine';
import { isNovaError, type SnapshotInfo } from '@novasandbox/protocol';
import {
  cloneOfBody,
  snapshotWireOf,
  takeOfBody,
  vmOf,
  type cloneSnapshotBodySchema,
  type listSnapshotsQuerySchema,
  type SnapshotWire,
  type takeSnapshotBodySchema,
  type Vm,
} from '@novasandbox/protocol/api';
import type * as z from 'zod';
import type { Services } from '../context.ts';
import { system } from '../authority/callers.ts';
import type { RouteContext } from '../daemon-context.ts';
import { named } from './operations.ts';
import { labelsOf, pageOf } from './pages.ts';

/**
 * The id of the VM behind an id or name. Snapshots outlive their VM: the whole id of one that is gone is accepted as
 * long as the caller may see a snapshot of it. Throws `sandbox_not_found`.
 */
async function vmIdOf(engine: Services, ref: string): Promise<string> {
  try {
    return (await engine.sandboxes.get(ref)).id;
  } catch (error) {
    if (isNovaError(error, 'sandbox_not_found') && (await engine.snapshots.list({ sandbox: ref })).length > 0)
      return ref;
    throw error;
  }
}

/** The snapshot of that VM behind an id, a prefix of an id, or a name. */
export async function snapshotOfVm(
  engine: Services,
  { id, snapshot }: { readonly id: string; readonly snapshot: string },
): Promise<SnapshotInfo> {
  return engine.snapshots.get(snapshot, undefined, await vmIdOf(engine, id));
}

/**
 * Takes a snapshot of a VM.
 *
 * @param newId an id from which that of the snapshot follows (`snapshotIdFrom`)
 */
export async function takeSnapshot(
  engine: Services,
  ref: string,
  body: z.output<typeof takeSnapshotBodySchema>,
  { signal, newId }: { readonly signal: AbortSignal; readonly newId: string | undefined },
): Promise<SnapshotWire> {
  const id = newId === undefined ? undefined : snapshotIdFrom(newId);
  return snapshotWireOf(await named(() => engine.snapshots.take(ref, takeOfBody(body), { signal, id })));
}

/** The snapshot that a request has taken which was interrupted before it was answered; null where it has taken none. */
export async function snapshotOfInterrupted({ viewOf }: RouteContext, newId: string): Promise<SnapshotWire | null> {
  try {
    // The caller may take snapshots, and need not be allowed to read them.
    return snapshotWireOf(await viewOf(system).engine.snapshots.get(snapshotIdFrom(newId)));
  } catch (error) {
    if (isNovaError(error, 'snapshot_not_found')) return null;
    throw error;
  }
}

export interface PageOfSnapshots {
  readonly snapshots: SnapshotWire[];
  readonly total: number;
  readonly next_cursor: string | null;
}

/** Returns one page of the snapshots that the query asks for. */
export async function pageOfSnapshots(
  engine: Services,
  { vm, ...query }: z.output<typeof listSnapshotsQuerySchema>,
): Promise<PageOfSnapshots> {
  const labels = labelsOf(query.label);
  const sandbox = vm === undefined ? undefined : await vmIdOf(engine, vm);
  const matching = (await engine.snapshots.list({ sandbox })).filter(
    (info) =>
      (query.name === undefined || info.name === query.name) &&
      (query.kind === undefined || info.kind === query.kind) &&
      labels.every(([key, value]) => info.labels[key] === value),
  );
  const { items, next_cursor } = pageOf(matching, query, keyOf);
  return { snapshots: items.map(snapshotWireOf), total: matching.length, next_cursor };
}

function keyOf(info: SnapshotInfo, sort: 'created_at' | 'name' | 'size'): string {
  if (sort === 'created_at') return info.createdAt;
  if (sort === 'name') return info.name ?? '';
  // Keys are compared as text.
  return String(info.memoryBytes + info.diskBytes).padStart(16, '0');
}

/** Makes a VM that goes on from the snapshot. It is removed again when the client disconnects before the answer. */
export async function cloneSnapshot(
  { idle, metrics }: RouteContext,
  engine: Services,
  snapshot: string,
  body: z.output<typeof cloneSnapshotBodySchema>,
  { signal, newId }: { readonly signal: AbortSignal; readonly newId: string | undefined },
): Promise<Vm> {
  const info = await named(() => engine.snapshots.create(snapshot, cloneOfBody(body), { signal, id: newId }));
  if (body.idle_timeout_seconds !== undefined) idle.setTimeoutMs(info.id, Math.round(body.idle_timeout_seconds * 1000));
  if (info.metadata.bootTimeMs !== null) metrics.booted(info.metadata.bootTimeMs / 1000);
  return vmOf(info);
}
