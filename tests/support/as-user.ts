import { spawnSync } from 'node:child_process';

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** A user with an account on this host, and no other rights. */
export const otherUser: UserIds = { uid: 778_001, gid: 778_001, groups: [] };

/** The user that a process runs as. */
export function userOf(status: string): UserIds {
  const numbers = (name: string): number[] =>
    (new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '').trim().split(/\s+/).filter(Boolean).map(Number);
  return { uid: numbers('Uid')[0] ?? -1, gid: numbers('Gid')[0] ?? -1, groups: numbers('Groups') };
}

const script = `while IFS= read -r path; do
  [ ! -r "$path" ] || printf 'read %s\\n' "$path"
  [ ! -w "$path" ] || printf 'write %s\\n' "$path"
done`;

/**
 * The paths that a user may open for reading (folders: list) and for writing (folders: add to; sockets: connect to).
 * Needs root.
 */
export function accessOf(
  user: UserIds,
  paths: readonly string[],
): { readonly read: string[]; readonly write: string[] } {
  const groups = user.groups.length === 0 ? '--clear-groups' : `--groups=${user.groups.join(',')}`;
  const { status, stdout, stderr } = spawnSync(
    'setpriv',
    [
      `--reuid=${user.uid}`,
      `--regid=${user.gid}`,
      groups,
      '--inh-caps=-all',
      '--bounding-set=-all',
      'sh',
      '-c',
      script,
    ],
    { input: paths.map((path) => `${path}\n`).join(''), encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (status !== 0) throw new Error(`the look as user ${user.uid} failed: ${stderr}`);
  const lines = stdout.split('\n');
  const those = (kind: string): string[] =>
    lines.filter((line) => line.startsWith(`${kind} `)).map((line) => line.slice(kind.length + 1));
  return { read: those('read'), write: those('write') };
}
