import { posix } from 'node:path';
import { isNovaError, NovaError, type Entry } from '@novasandbox/protocol';
import type { Attributes } from 'ssh2';
import type { Guest } from '../guest.ts';
import { OpenFile } from './open-file.ts';
import { runInGuest } from './run-in-guest.ts';

/** New files get the permissions that their client names, without writing for others. */
const umask = 0o022;
/** The most links that Linux follows in one path. */
const mostLinks = 40;

/** A client's reason to open a file. */
export interface OpenIntent {
  readonly creates: boolean;
  readonly empties: boolean;
  readonly isExclusive: boolean;
  readonly appends: boolean;
  readonly mode: number | undefined;
}

/** Opens a file. It is made or emptied now, so that the client learns at once where that is not possible. */
export async function openFile(guest: Guest, path: string, intent: OpenIntent): Promise<OpenFile> {
  const { engine, sandboxId, user, gone } = guest;
  const { creates, empties, isExclusive, appends } = intent;
  const whole = await wholePath(guest, path);
  if (!creates || isExclusive) {
    const there = await follow(guest, whole).catch((error: unknown) => {
      if (isExclusive && isNovaError(error, 'file_not_found')) return null;
      throw error;
    });
    if (there?.type === 'directory') throw new NovaError('is_a_directory', `${whole} is a directory.`);
  }
  if (creates || empties) {
    await requireParent(guest, whole);
    const mode = (intent.mode ?? 0o666) & 0o7777 & ~umask;
    const how = { mode, user, exclusive: isExclusive, offset: empties ? undefined : 0 };
    await engine.files.write(sandboxId, whole, [], how, { signal: gone });
  }
  return new OpenFile(guest, whole, appends);
}

/** Returns the entry at a path, of a link the link's own. */
export async function look({ engine, sandboxId, user, gone }: Guest, path: string): Promise<Entry> {
  return engine.files.stat(sandboxId, path === '' ? '.' : path, user, { signal: gone });
}

/** Returns the entry that a path leads to. */
export async function follow(guest: Guest, path: string): Promise<Entry> {
  let whole = await wholePath(guest, path);
  for (let links = 0; links <= mostLinks; links += 1) {
    const entry = await look(guest, whole);
    if (entry.symlinkTarget === null) return entry;
    // The kernel resolves "..", because a folder in the path may be a link too.
    whole = entry.symlinkTarget.startsWith('/')
      ? entry.symlinkTarget
      : `${posix.dirname(whole)}/${entry.symlinkTarget}`;
  }
  throw new NovaError('file_not_found', `${path} leads through too many links.`);
}

/** Returns the path from the root of the guest; relative ones begin at the home of the user. */
export async function wholePath(guest: Guest, path: string): Promise<string> {
  if (path.startsWith('/')) return posix.normalize(path);
  return posix.join((await look(guest, '.')).path, path);
}

export async function listDirectory(guest: Guest, path: string): Promise<Entry[]> {
  const { engine, sandboxId, user, gone } = guest;
  return engine.files.list(sandboxId, await wholePath(guest, path), { depth: 1, user }, { signal: gone });
}

export async function readLink(guest: Guest, path: string): Promise<string> {
  const { symlinkTarget } = await look(guest, path);
  if (symlinkTarget === null) throw new NovaError('invalid_argument', `${path} is no link.`);
  return symlinkTarget;
}

export async function setAttributes(guest: Guest, path: string, attributes: Attributes): Promise<void> {
  const { mode, uid, gid, size, mtime } = attributes;
  const { engine, sandboxId, user, gone } = guest;
  const whole = await wholePath(guest, path);
  if (size !== undefined) await runInGuest(guest, ['truncate', '-s', String(size), '--', whole]);
  if (uid !== undefined && gid !== undefined) await runInGuest(guest, ['chown', '--', `${uid}:${gid}`, whole]);
  if (mode !== undefined) {
    await engine.files.setAttributes(sandboxId, whole, { mode: mode & 0o7777, user }, { signal: gone });
  }
  if (mtime !== undefined) await runInGuest(guest, ['touch', '-c', '-d', `@${mtime}`, '--', whole]);
}

export async function removeFile(guest: Guest, path: string): Promise<void> {
  const { engine, sandboxId, user, gone } = guest;
  const whole = await wholePath(guest, path);
  const { type, symlinkTarget } = await look(guest, whole);
  if (type === 'directory' && symlinkTarget === null) {
    throw new NovaError('is_a_directory', `${path} is a directory.`);
  }
  await engine.files.remove(sandboxId, whole, user, { signal: gone });
}

export async function removeDirectory(guest: Guest, path: string): Promise<void> {
  await runInGuest(guest, ['rmdir', '--', await wholePath(guest, path)]);
}

export async function makeDirectory(guest: Guest, path: string, mode = 0o777): Promise<void> {
  const { engine, sandboxId, user, gone } = guest;
  const whole = await wholePath(guest, path);
  await requireParent(guest, whole);
  const how = { mode: mode & 0o7777 & ~umask, user };
  const isNew = await engine.files.makeDirectory(sandboxId, whole, how, { signal: gone });
  if (!isNew) throw new NovaError('file_exists', `${path} is there already.`);
}

/** Refuses to replace anything, as version 3 of the protocol asks. */
export async function rename(guest: Guest, from: string, to: string): Promise<void> {
  const { engine, sandboxId, user, gone } = guest;
  const [source, destination] = [await wholePath(guest, from), await wholePath(guest, to)];
  await requireParent(guest, destination);
  const there = await look(guest, destination).catch(() => null);
  if (there !== null) throw new NovaError('file_exists', `${to} is there already.`);
  await engine.files.move(sandboxId, source, destination, user, { signal: gone });
}

export async function makeLink(guest: Guest, link: string, target: string): Promise<void> {
  await runInGuest(guest, ['ln', '-s', '--', target, await wholePath(guest, link)]);
}

/** The agent makes missing parents, which clients of this protocol do not expect. */
async function requireParent(guest: Guest, path: string): Promise<void> {
  const parent = posix.dirname(path);
  const { type } = await follow(guest, parent);
  if (type !== 'directory') throw new NovaError('not_a_directory', `${parent} is no directory.`);
}
