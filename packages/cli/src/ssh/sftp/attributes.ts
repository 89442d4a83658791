import type { Entry } from '@novasandbox/protocol';
import type { Attributes, NamedFile } from 'ssh2';

const typeBits = { file: 0o100_000, directory: 0o040_000, symlink: 0o120_000, other: 0 } as const;
const letters = { file: '-', directory: 'd', symlink: 'l', other: '?' } as const;

/** Returns the attributes of an entry; of a link, those of the link itself. */
export function attributesOf(entry: Entry): Attributes {
  const { uid, gid, size } = entry;
  const seconds = Math.floor(Date.parse(entry.modifiedAt) / 1000);
  const [type, permissions] = kindOf(entry);
  return { mode: typeBits[type] | permissions, uid, gid, size, atime: seconds, mtime: seconds };
}

/** Returns an entry as a client lists it, with the line that `ls -l` would print. */
export function namedFileOf(entry: Entry): NamedFile {
  const [type, permissions] = kindOf(entry);
  const bits = [8, 7, 6, 5, 4, 3, 2, 1, 0].map((bit) => ((permissions >> bit) & 1 ? ('xwr'[bit % 3] ?? '-') : '-'));
  const owner = `${entry.owner.padEnd(8)} ${entry.group.padEnd(8)}`;
  const day = entry.modifiedAt.slice(0, 16).replace('T', ' ');
  const longname = `${letters[type]}${bits.join('')} 1 ${owner} ${String(entry.size).padStart(10)} ${day} ${entry.name}`;
  return { filename: entry.name, longname, attrs: attributesOf(entry) };
}

/** The agent describes a link by the type and permissions of its target. */
const kindOf = (entry: Entry): readonly [Entry['type'], number] =>
  entry.symlinkTarget === null ? [entry.type, entry.mode & 0o7777] : ['symlink', 0o777];
