/** An entry of an archive. Paths are relative, without a leading slash. */
export type ArchiveEntry =
  | { readonly path: string; readonly type: 'file'; readonly mode: number; readonly content: Buffer }
  | { readonly path: string; readonly type: 'directory'; readonly mode: number }
  | {
      readonly path: string;
      readonly type: 'character-device';
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const typeBits = { file: 0o100000, directory: 0o040000, 'character-device': 0o020000 } as const;

/**
 * An archive in cpio's "newc" format, which the kernel unpacks as its initramfs. The same entries give the same bytes
 * in any order: they are sorted by path, owned by root, with time 0. Parent directories have to be among the entries.
 */
export function cpioArchive(entries: readonly ArchiveEntry[]): Buffer {
  const sorted = entries.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const parts: Buffer[] = [];
  for (const [index, entry] of sorted.entries()) {
    const content = entry.type === 'file' ? entry.content : Buffer.alloc(0);
    const device = entry.type === 'character-device' ? entry : { major: 0, minor: 0 };
    parts.push(
      header(entry.path, {
        inode: index + 1,
        mode: typeBits[entry.type] | entry.mode,
        links: entry.type === 'directory' ? 2 : 1,
        size: content.length,
        major: device.major,
        minor: device.minor,
      }),
      content,
      padding(content.length),
    );
  }
  parts.push(header('TRAILER!!!', { inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0 }));
  return Buffer.concat(parts);
}

interface HeaderFields {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
}

function header(path: string, fields: HeaderFields): Buffer {
  const name = Buffer.from(`${path}\0`);
  const numbers = [
    fields.inode,
    fields.mode,
    0, // uid
    0, // gid
    fields.links,
    0, // mtime
    fields.size,
    0, // device the archive was made on: major,
    0, // minor
    fields.major,
    fields.minor,
    name.length,
    0, // checksum, unused in this form
  ];
  const head = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([Buffer.from(head), name, padding(head.length + name.length)]);
}

/** Zeros up to the next multiple of four. */
function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
