import type { ManifestEntry } from '@novasandbox/protocol';
import { NovaError } from '@novasandbox/protocol';
import type { Base, BaseRow } from '../base/base.ts';
import type { GuestEntries } from '../guest/guest-tree.ts';
import type { HostEntry } from '../host/host-entry.ts';
import { HostTree } from '../host/host-tree.ts';
import { parentsOf } from '../paths.ts';
import type { Session } from '../session.ts';
import type { WorkspaceState } from '../types.ts';
import { GuestFilter } from './guest-filter.ts';
import { isAsPushed, sameState, stateOfGuest, stateOfHost, type Side } from './states.ts';

/** A path at which the guest has something else than what was pushed, with all three sides. */
export interface Difference {
  readonly path: string;
  readonly row: BaseRow | null;
  readonly before: Side;
  readonly after: Side;
  readonly guest: ManifestEntry | null;
  readonly host: Side;
  readonly hostEntry: HostEntry | null;
}

export interface Comparison {
  readonly differences: readonly Difference[];
  readonly rows: ReadonlyMap<string, BaseRow>;
  readonly guestEntries: GuestEntries;
}

/** Finds what the guest changed. What both sides changed in the same way counts as pushed from then on. */
export async function compare(
  { base, guest, folder }: Session,
  paths: readonly string[] | undefined,
): Promise<Comparison> {
  const { rows } = base.all();
  const filter = new GuestFilter(base, folder, rows);
  const listed = await guest.all(filter.skipPaths);
  if (listed === null) {
    // Without this, a folder that was moved away would look as if everything in it had been removed.
    throw new NovaError('file_not_found', `The sandbox has no folder ${guest.path} any more.`, {
      hint: 'Push it again, or look where it went.',
    });
  }
  const guestEntries = filter.chosen(listed);
  const isChosen = chooser(paths);
  const candidates: string[] = [];
  for (const [path, entry] of guestEntries) {
    const row = rows.get(path);
    if (isChosen(path) && (row === undefined || isAsPushed(row, entry) !== true)) candidates.push(path);
  }
  const hashed = await guest.some(
    candidates.filter((path) => guestEntries.get(path)?.type === 'file'),
    { hash: true },
  );
  const gone = [...rows.keys()].filter((path) => isChosen(path) && !guestEntries.has(path));
  using host = new HostTree(folder);
  const differences: Difference[] = [];
  for (const path of [...candidates, ...gone].toSorted()) {
    const entry = hashed.get(path) ?? guestEntries.get(path) ?? null;
    const found = await differenceAt(base, host, path, rows.get(path) ?? null, entry);
    if (found !== null) differences.push(found);
  }
  filter.remember();
  return { differences, rows, guestEntries };
}

async function differenceAt(
  base: Base,
  host: HostTree,
  path: string,
  row: BaseRow | null,
  entry: ManifestEntry | null,
): Promise<Difference | null> {
  const [before, after] = [row?.state ?? null, entry === null ? null : stateOfGuest(entry)];
  if (row !== null && entry !== null && sameState(before, after)) {
    base.put({ ...row, guestVersion: entry.version });
    return null;
  }
  const { entry: hostEntry, state } = await stateAt(host, path, row);
  if (sameState(state, after)) {
    settle(base, path, entry, hostEntry, after);
    return null;
  }
  return { path, row, before, after, guest: entry, host: state, hostEntry };
}

/** The state on the host at a path. A file that has the version that was pushed is not read. */
async function stateAt(
  host: HostTree,
  path: string,
  row: BaseRow | null,
): Promise<{ readonly entry: HostEntry | null; readonly state: WorkspaceState | null }> {
  const entry = host.look(path);
  if (entry === null) return { entry, state: null };
  if (entry.type !== 'file') return { entry, state: stateOfHost(entry, null) };
  const sha256 = row?.hostVersion === entry.version ? row.state.sha256 : await host.digest(path);
  return { entry, state: stateOfHost(entry, sha256) };
}

/** Both sides are the same: that is what the next comparison starts from. */
function settle(base: Base, path: string, entry: ManifestEntry | null, hostEntry: HostEntry | null, state: Side): void {
  if (state === null || entry === null) base.remove(path);
  else base.put({ path, state, hostVersion: hostEntry?.lasting ?? null, guestVersion: entry.version, mtimeSeconds: 0 });
}

/** Whether a path is one of those asked for, or in a folder of them. */
export function chooser(paths: readonly string[] | undefined): (path: string) => boolean {
  if (paths === undefined) return () => true;
  const asked = new Set(paths.map((path) => path.replace(/^(\.\/)+/, '').replace(/\/+$/, '')));
  if (asked.has('') || asked.has('.')) return () => true;
  return (path) => asked.has(path) || parentsOf(path).some((parent) => asked.has(parent));
}
