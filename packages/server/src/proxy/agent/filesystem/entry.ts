import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { posix } from 'node:path';
import type { Entry } from '@novasandbox/protocol';
import { EntryInfoSchema, FileType, type EntryInfo } from '../gen/filesystem_pb.js';
import type { Scope } from '../scope.ts';

const types: Readonly<Record<Entry['type'], FileType>> = {
  file: FileType.FILE,
  directory: FileType.DIRECTORY,
  // A link has the type of its target. Only a link without a target is reported as `symlink`.
  symlink: FileType.UNSPECIFIED,
  other: FileType.UNSPECIFIED,
};

const maxLinks = 16;
const danglingMode = 0;

/**
 * Converts an entry to its wire form. The target of a link is followed to its end; when that fails, the target is the
 * path of the link itself.
 */
export async function entryInfo(scope: Scope, entry: Entry): Promise<EntryInfo> {
  const link = entry.symlinkTarget !== null;
  const dangling = entry.type === 'symlink';
  return create(EntryInfoSchema, {
    name: entry.name,
    path: entry.path,
    type: types[entry.type],
    size: BigInt(entry.size),
    mode: dangling ? danglingMode : entry.mode & 0o777,
    permissions: permissions(entry),
    owner: entry.owner,
    group: entry.group,
    modifiedTime: timestampFromDate(new Date(entry.modifiedAt)),
    metadata: metadataOf(entry),
    ...(link ? { symlinkTarget: await resolved(scope, entry) } : {}),
  });
}

async function resolved(scope: Scope, entry: Entry): Promise<string> {
  let current = entry;
  for (let step = 0; step < maxLinks; step++) {
    if (current.symlinkTarget === null) return current.path;
    const next = posix.resolve(posix.dirname(current.path), current.symlinkTarget);
    try {
      current = await scope.context.engine.files.stat(scope.info.id, next, scope.user);
    } catch {
      return entry.path;
    }
  }
  return entry.path;
}

/** Formats a mode as Go does. The mode of a link is that of the link itself. */
export function permissions({ type, mode, symlinkTarget }: Pick<Entry, 'type' | 'mode' | 'symlinkTarget'>): string {
  if (symlinkTarget !== null) return 'Lrwxrwxrwx';
  const special = [
    type === 'directory' ? 'd' : '',
    (mode & 0o4000) !== 0 ? 'u' : '',
    (mode & 0o2000) !== 0 ? 'g' : '',
    (mode & 0o1000) !== 0 ? 't' : '',
  ].join('');
  const bits = Array.from('rwxrwxrwx', (letter, index) => ((mode & (0o400 >> index)) === 0 ? '-' : letter)).join('');
  return (special === '' ? '-' : special) + bits;
}

/** Namespace of the extended attributes that clients set as metadata. */
export const metadataPrefix = 'user.e2b.';

/** Returns the metadata that clients set as `X-Metadata-<key>`, without the attributes of other programs. */
export function metadataOf({ xattrs = {} }: Entry): Record<string, string> {
  const own = Object.entries(xattrs).filter(([name]) => name.startsWith(metadataPrefix));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(metadataPrefix.length), value]));
}
