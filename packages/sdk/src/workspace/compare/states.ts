import type { ManifestEntry } from '@novasandbox/protocol';
import type { BaseRow } from '../base/base.ts';
import type { HostEntry } from '../host/host-entry.ts';
import type { WorkspaceChange, WorkspaceState } from '../types.ts';

/** The state at a path on one side; null for nothing. */
export type Side = WorkspaceState | null;

const permissionBits = 0o777;

/** Whether two sides hold the same: kind, permissions, and content. A content that is not known is never the same. */
export const sameState = (one: Side, other: Side): boolean =>
  one === null || other === null ? one === other : sameContent(one, other) && sameMode(one, other);

export function sameContent(one: WorkspaceState, other: WorkspaceState): boolean {
  if (one.type !== other.type) return false;
  if (one.type === 'file') return one.sha256 !== null && one.sha256 === other.sha256;
  return one.type === 'directory' || (one.type === 'symlink' && one.link === other.link);
}

/** Links have no permissions of their own. */
const sameMode = (one: WorkspaceState, other: WorkspaceState): boolean =>
  one.type === 'symlink' || one.mode === other.mode;

export function kindOfChange(before: Side, after: Side): WorkspaceChange['kind'] {
  if (before === null) return 'added';
  if (after === null) return 'deleted';
  if (before.type !== after.type) return 'type';
  return sameContent(before, after) ? 'mode' : 'modified';
}

export const stateOfHost = ({ type, mode, size, link }: HostEntry, sha256: string | null): WorkspaceState => ({
  type,
  mode: type === 'symlink' ? permissionBits : mode,
  size,
  sha256,
  link,
});

/** The state that the guest tells of. Set-user-id and the like are dropped. */
export const stateOfGuest = ({ type, mode, size, sha256, link }: ManifestEntry): WorkspaceState => ({
  type,
  mode: type === 'symlink' ? permissionBits : mode & permissionBits,
  size: type === 'file' ? size : 0,
  sha256,
  link,
});

const untilPrefix = 'until:';

/**
 * The version of guest files that were pushed and have not been looked at since: they were not changed after a time.
 */
export const unchangedUntil = (time: string): string => `${untilPrefix}${Date.parse(time)}`;

/** Whether the guest's entry is as it was pushed, as far as that can be told without its content. */
export function isAsPushed(row: BaseRow, entry: ManifestEntry): boolean | 'not known' {
  const now = stateOfGuest(entry);
  const { state, guestVersion } = row;
  if (now.type !== 'file' || state.type !== 'file') return sameState(state, now);
  if (now.size !== state.size) return false;
  if (guestVersion === entry.version) return sameMode(state, now);
  if (guestVersion?.startsWith(untilPrefix) !== true) return 'not known';
  const isUntouched =
    Date.parse(entry.ctime) <= Number(guestVersion.slice(untilPrefix.length)) &&
    Date.parse(entry.mtime) === row.mtimeSeconds * 1000;
  return isUntouched ? sameMode(state, now) : 'not known';
}
