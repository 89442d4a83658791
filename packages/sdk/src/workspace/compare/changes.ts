import type { Base } from '../base/base.ts';
import type { GuestTree } from '../guest/guest-tree.ts';
import type { HostTree } from '../host/host-tree.ts';
import { parentsOf } from '../paths.ts';
import type { Steps } from '../progress.ts';
import type { WorkspaceChange, WorkspaceHunk, WorkspaceState } from '../types.ts';
import type { Comparison, Difference } from './compare.ts';
import { flagsOf } from './flags.ts';
import { refusedPath, refusedRepository, refusedState } from './safe-name.ts';
import { kindOfChange, sameContent } from './states.ts';
import { formatHunks, hunksOf, maxTextBytes, merge, textOf } from './text.ts';

/** Files that are read at once. */
const atOnce = 8;
/** Limit of all contents that are read to be shown. */
const maxAllTextBytes = 128 * 1024 * 1024;

/** A change with what applying it needs. */
export interface PreparedChange {
  readonly change: WorkspaceChange;
  readonly difference: Difference;
  /** The guest's file as text, where it is one. */
  readonly guestText: string | null;
  readonly baseText: string | null;
  readonly hostText: string | null;
}

/** Reads the contents that a review needs, and describes each difference. */
export async function prepareChanges(
  { differences, rows, guestEntries }: Comparison,
  { base, guest, host }: { readonly base: Base; readonly guest: GuestTree; readonly host: HostTree },
  steps: Steps,
): Promise<PreparedChange[]> {
  const shown = withoutFolders(differences);
  const isThere = (path: string): boolean => rows.has(path) || guestEntries.has(path);
  const prepared: PreparedChange[] = [];
  let bytes = 0;
  for (let from = 0; from < shown.length; from += atOnce) {
    const some = shown.slice(from, from + atOnce);
    const texts = await Promise.all(
      some.map(async ({ path, after }) => {
        if (!isText(after) || refusedPath(path) !== null || bytes + after.size > maxAllTextBytes) return null;
        bytes += after.size;
        return readText(guest, path, after);
      }),
    );
    some.forEach((difference, at) => prepared.push(prepare(difference, texts[at] ?? null, base, host, isThere)));
    steps.update(`${prepared.length} of ${shown.length} changes`, prepared.length / shown.length);
  }
  return prepared;
}

const isText = (state: WorkspaceState | null): state is WorkspaceState =>
  state?.type === 'file' && state.size <= maxTextBytes;

/** Null for what is not text, or has changed since it was listed. */
async function readText(guest: GuestTree, path: string, after: WorkspaceState): Promise<string | null> {
  const { bytes, sha256 } = await guest.read(path, maxTextBytes);
  return sha256 === after.sha256 ? textOf(bytes) : null;
}

function prepare(
  difference: Difference,
  guestText: string | null,
  base: Base,
  host: HostTree,
  isThere: (path: string) => boolean,
): PreparedChange {
  const { path, before, after, host: mine } = difference;
  const kept = before?.type === 'file' && before.sha256 !== null ? base.content(before.sha256) : null;
  const baseText = before === null ? '' : textOf(kept);
  const hasChanged = before === null || after === null || !sameContent(before, after);
  const hostHasChanged = mine === null ? before !== null : before === null || !sameContent(before, mine);
  const hostText = hostHasChanged && mine?.type === 'file' ? textOf(host.read(path, maxTextBytes)) : null;
  const verdict = judge(difference, { baseText, guestText, hostText, hasChanged, hostHasChanged });
  const after_ = after?.type === 'file' ? guestText : after === null ? '' : null;
  const canShow = (before === null || before.type === 'file') && (after === null || after.type === 'file');
  const hunks = hasChanged && canShow && baseText !== null && after_ !== null ? hunksOf(baseText, after_) : [];
  const change: WorkspaceChange = {
    path,
    kind: kindOfChange(before, after),
    before,
    after,
    conflict: verdict.conflict,
    merges: verdict.merges,
    refused:
      refusedPath(path) ??
      refusedRepository(path, isThere) ??
      (after === null ? null : refusedState(path, after)) ??
      unreadable(after),
    flags: flagsOf(path, before, after, { before: before === null ? null : baseText, after: after_ }),
    hunks: hunks ?? [],
    patch: conflictOf(path, hostText, verdict.marked) ?? patchOf(difference, hunks),
  };
  return { change, difference, guestText, baseText, hostText };
}

const unreadable = (after: WorkspaceState | null): string | null =>
  after?.type === 'file' && after.sha256 === null ? 'it cannot be read in the sandbox' : null;

/** Whether the guest's change goes together with what became of the host's file. */
function judge(
  { before, after, host }: Difference,
  texts: {
    readonly baseText: string | null;
    readonly guestText: string | null;
    readonly hostText: string | null;
    readonly hasChanged: boolean;
    readonly hostHasChanged: boolean;
  },
): { readonly conflict: string | null; readonly merges: boolean; readonly marked: string | null } {
  const fine = { conflict: null, merges: false, marked: null };
  const conflict = (reason: string, marked: string | null = null) => ({ conflict: reason, merges: false, marked });
  const { baseText, guestText, hostText, hasChanged, hostHasChanged } = texts;
  if (!hostHasChanged) {
    const bothModes = before !== null && host !== null && after !== null && host.mode !== before.mode;
    return bothModes && after.mode !== before.mode && after.mode !== host.mode && !hasChanged
      ? conflict('its permissions were changed here too')
      : fine;
  }
  if (before === null) return conflict('something else is there on the host');
  if (host === null) return after === null ? fine : conflict('it was removed on the host');
  if (!hasChanged) return fine;
  if (after === null) return conflict('it was changed on the host');
  const areFiles = before.type === 'file' && after.type === 'file' && host.type === 'file';
  if (!areFiles || baseText === null || guestText === null || hostText === null) {
    return conflict('it was changed on the host too');
  }
  const merged = merge(hostText, baseText, guestText);
  if (merged.text !== null) return { ...fine, merges: true };
  return conflict('the same lines were changed on the host', merged.marked);
}

/** The change that a merge with marks makes on the host; null where there is none. */
function conflictOf(path: string, hostText: string | null, marked: string | null): string | null {
  const hunks = hostText === null || marked === null ? null : hunksOf(hostText, marked);
  return hunks === null ? null : formatHunks(path, { before: 0o644, after: 0o644 }, hunks);
}

function patchOf({ path, before, after }: Difference, hunks: readonly WorkspaceHunk[] | null): string {
  const areFiles = [before, after].every((side) => side === null || side.type === 'file');
  const isPlain = before !== null && after !== null ? sameContent(before, after) : (after ?? before)?.size === 0;
  if (areFiles && hunks !== null && (hunks.length > 0 || isPlain)) {
    return formatHunks(path, { before: before?.mode ?? null, after: after?.mode ?? null }, hunks);
  }
  if (before === null) return `New ${describe(after)}: ${path}\n`;
  if (after === null) return `Removed ${describe(before)}: ${path}\n`;
  if (sameContent(before, after)) return `Permissions of ${path}: ${octal(before.mode)} -> ${octal(after.mode)}\n`;
  return `Changed from ${describe(before)} to ${describe(after)}: ${path}\n`;
}

function describe(state: WorkspaceState | null): string {
  if (state === null) return 'nothing';
  if (state.type === 'file') return `file of ${state.size} bytes`;
  if (state.type === 'symlink') return `link to ${state.link ?? ''}`;
  return state.type === 'directory' ? 'folder' : 'device, pipe or socket';
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

/** Folders that come or go with what is in them need no mention of their own. */
function withoutFolders(differences: readonly Difference[]): Difference[] {
  const parents = new Set(differences.flatMap(({ path }) => parentsOf(path)));
  return differences.filter(({ path, before, after }) => {
    const isFolder = (before ?? after)?.type === 'directory' && (after ?? before)?.type === 'directory';
    return !isFolder || (before !== null && after !== null) || !parents.has(path);
  });
}
