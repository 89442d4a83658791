import { isNovaError, nameSchema, NovaError, type SnapshotInfo } from '@novasandbox/protocol';
import type * as z from 'zod';
import type { Caller, CallerContext } from '../context.ts';
import { liveSandbox } from './find.ts';
import { snapshotNameLabel } from './labels.ts';
import { pageOf, type Page } from './pages.ts';
import type { listSnapshotsSchema, snapshotSchema } from './wire.ts';

/**
 * E2B's clients know a snapshot by its id, or as `name:tag`, where `name` alone means the tag `default`. A snapshot of
 * the same name and tag takes the place of the one before, which stays until the name is deleted.
 */
const defaultTag = 'default';

/** An id or name without the tag that is meant where there is none. */
export const withoutTag = (ref: string): string => ref.replace(/:(?:latest|default)$/, '');

/** The name and tag that a client gave; null where it is no name. */
function fullNameOf(given: string): string | null {
  const [name = '', tag = defaultTag, ...more] = withoutTag(given).split(':');
  const isName = more.length === 0 && [name, tag].every((part) => nameSchema.safeParse(part).success);
  return isName ? `${name}:${tag}` : null;
}

/** The name and tag of a snapshot; null where it has none. */
const nameOf = ({ labels, name }: SnapshotInfo): string | null =>
  labels[snapshotNameLabel] ?? (name === null ? null : `${name}:${defaultTag}`);

export interface SnapshotBody {
  readonly snapshotID: string;
  readonly names: readonly string[];
}

export function snapshotBody(info: SnapshotInfo): SnapshotBody {
  const name = nameOf(info);
  return { snapshotID: name ?? info.id, names: name === null ? [] : [name] };
}

export async function takeSnapshot(
  context: CallerContext,
  ref: string,
  body: z.output<typeof snapshotSchema>,
  signal: AbortSignal,
): Promise<SnapshotInfo> {
  const { id } = await liveSandbox(context, ref);
  const { snapshots } = context.engine;
  const full = typeof body.name === 'string' && body.name !== '' ? fullNameOf(body.name) : null;
  if (full === null && (body.name ?? '') !== '')
    throw new NovaError('invalid_argument', `name: "${body.name ?? ''}" is not a name, nor a name and a tag.`);
  const how = body.memory === false ? { memory: false } : {};
  if (full === null) return snapshots.take(id, how, { signal });
  const named = { signal, reservedLabels: { [snapshotNameLabel]: full } };
  const name = withoutTag(full);
  // It gets the name as its own too, by which all other clients know it, where no other snapshot of the sandbox has it.
  if (name.includes(':')) return snapshots.take(id, how, named);
  try {
    return await snapshots.take(id, { ...how, name }, named);
  } catch (error) {
    if (!isNovaError(error, 'conflict')) throw error;
    return snapshots.take(id, how, named);
  }
}

/** The snapshots that the caller may see, newest first; of those with the same name only the newest. */
export async function listSnapshots(
  { engine }: CallerContext,
  { sandboxID: sandbox, name, ...query }: z.output<typeof listSnapshotsSchema>,
): Promise<Page<SnapshotInfo>> {
  const wanted = name === undefined ? null : withoutTag(name);
  const seen = new Set<string>();
  const newest = (await engine.snapshots.list({ sandbox })).toReversed().filter((info) => {
    const key = `${info.owner ?? ''} ${nameOf(info) ?? info.id}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return wanted === null || wanted === info.id || isNamed(info, wanted);
  });
  return pageOf(newest, query, ({ createdAt: madeAt, id }) => ({ madeAt, id }));
}

/** Whether a snapshot has that name, whatever its tag is where `wanted` has none. */
function isNamed(info: SnapshotInfo, wanted: string): boolean {
  const name = nameOf(info);
  return name === wanted || (!wanted.includes(':') && name?.split(':')[0] === wanted);
}

/**
 * The snapshots that a client means by an id or a name, newest first. The caller's own come before those of others that
 * the caller may see.
 */
async function meant({ engine }: CallerContext, caller: Caller, ref: string): Promise<SnapshotInfo[]> {
  const full = fullNameOf(ref);
  const id = withoutTag(ref);
  const found = (await engine.snapshots.list()).toReversed();
  const byId = found.filter((info) => info.id === id);
  if (byId.length > 0) return byId;
  const named = found.filter((info) => full !== null && nameOf(info) === full);
  const own = named.filter(({ owner }) => owner === caller.ownership.owner);
  return own.length > 0 ? own : named;
}

/** The snapshot from which a sandbox of that template id is to be made, if it is one of a snapshot. */
export async function snapshotFor(
  context: CallerContext,
  caller: Caller,
  ref: string,
): Promise<SnapshotInfo | undefined> {
  if (!caller.permissions.has('snapshot:read')) return undefined;
  return (await meant(context, caller, ref))[0];
}

/** Deletes the snapshot of that id, or all of that name and tag. Throws `snapshot_not_found`. */
export async function deleteSnapshot(context: CallerContext, caller: Caller, ref: string): Promise<void> {
  const found = await meant(context, caller, ref);
  if (found.length === 0) {
    const isTemplate = (await context.engine.templates.list()).some(({ id }) => id === withoutTag(ref));
    if (isTemplate) throw new NovaError('not_implemented', 'Deleting templates is not there yet.');
    throw new NovaError('snapshot_not_found', `Snapshot "${ref}" not found`);
  }
  for (const { id } of found) await context.engine.snapshots.remove(id);
}
