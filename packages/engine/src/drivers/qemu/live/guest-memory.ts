import { readFileSync } from 'node:fs';
import { open, readFile, realpath, stat, type FileHandle } from 'node:fs/promises';
import { NovaError } from '@novasandbox/protocol';

/** Pages that follow each other in the guest's memory, bytes. */
export interface PageRun {
  readonly offset: number;
  readonly length: number;
}

/**
 * Entries of /proc/PID/pagemap have 64 bits (Linux, Documentation/admin-guide/mm/pagemap.rst); these are in the upper
 * half.
 */
const entryBytes = 8;
const presentOrSwapped = 0xc000_0000;
const mappedFromFile = 0x2000_0000;
/** Entries read at once: 512 KiB. */
const window = 1 << 16;

/**
 * Reading a few more pages costs less than another read, so gaps of up to this many pages are read too. Their content
 * equals the file's.
 */
const bridgedPages = 4;

/** A part of the guest's memory as the VMM maps it: from `offset` on, bytes, and whether from the file itself. */
interface Mapping {
  readonly offset: number;
  readonly length: number;
  readonly ofTheFile: boolean;
}

/** Where a VMM maps the memory of its guest. */
interface MemoryMap {
  /** Address of the guest's first byte. */
  readonly start: number;
  readonly mappings: readonly Mapping[];
}

/**
 * The memory of a clone. Its VMM maps the template's file privately, so pages that the guest has written since are
 * anonymous pages of the VMM. All others are in the file, or, for a clone of a fork, in the file of changed pages that
 * is mapped over it. The guest has to stand still while this is read.
 */
export interface ClonedMemory extends AsyncDisposable {
  /** The pages that differ from the template's, ascending. */
  changedPages(): Promise<PageRun[]>;
  /** Reads guest memory from that byte on until the buffer is full. */
  read(offset: number, into: Buffer): Promise<void>;
}

/**
 * Opens the `bytes` of memory that process `pid` maps from `file`. Null where the host does not let us read it, or the
 * process maps no such file.
 *
 * @param mappedAs the path that the file had when the process was given it, where it has been moved since
 */
export async function openClonedMemory(
  pid: number,
  file: string,
  bytes: number,
  mappedAs: string = file,
): Promise<ClonedMemory | null> {
  await using undo = new AsyncDisposableStack();
  let memory: FileHandle;
  let pagemap: FileHandle;
  let map: MemoryMap | null;
  try {
    map = await memoryMap(pid, file, bytes, mappedAs);
    memory = undo.use(await open(`/proc/${pid}/mem`, 'r'));
    pagemap = undo.use(await open(`/proc/${pid}/pagemap`, 'r'));
  } catch (error) {
    // Yama and user namespaces may refuse this where we are not root. Only an attempt tells; the settings do not.
    if (error instanceof Error && 'code' in error && ['EACCES', 'EPERM', 'ENOENT'].includes(String(error.code)))
      return null;
    throw error;
  }
  if (map === null) return null;
  const { start, mappings } = map;
  const held = undo.move();
  return {
    changedPages: () => changedPages(pagemap, start, mappings),
    async read(offset, into) {
      const { bytesRead } = await memory.read(into, 0, into.length, start + offset);
      if (bytesRead !== into.length)
        throw new NovaError('snapshot_failed', `Of ${into.length} bytes of the guest's memory ${bytesRead} were read.`);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Returns null when the process maps nothing of the file, or not all of the guest's memory. */
async function memoryMap(pid: number, file: string, bytes: number, mappedAs: string): Promise<MemoryMap | null> {
  const [{ ino }, real] = await Promise.all([stat(file, { bigint: true }), realpath(file)]);
  // A VMM with a private root has the file at the path that it was given, any other at its real path.
  const names = [mappedAs, real];
  const maps = await readFile(`/proc/${pid}/maps`, 'latin1');
  const rows = [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+) *(.*)$/gm)].map(
    ([, from = '', to = '', offset = '', inode = '', path = '']) => ({
      from: parseInt(from, 16),
      to: parseInt(to, 16),
      offset: parseInt(offset, 16),
      ofTheFile: BigInt(inode) === ino && names.includes(path.replace(/ \(deleted\)$/, '')),
    }),
  );
  const first = rows.find((row) => row.ofTheFile);
  if (first === undefined) return null;
  const start = first.from - first.offset;
  const inside = rows.filter(({ from, to }) => from >= start && to <= start + bytes);
  if (inside.reduce((total, { from, to }) => total + to - from, 0) !== bytes) return null;
  const mappings = inside.map(({ from, to, offset, ofTheFile }) => ({
    offset: from - start,
    length: to - from,
    ofTheFile: ofTheFile && offset === from - start,
  }));
  return { start, mappings };
}

async function changedPages(pagemap: FileHandle, start: number, mappings: readonly Mapping[]): Promise<PageRun[]> {
  const pageBytes = sizeOfPage();
  const runs: [number, number][] = [];
  const buffer = Buffer.allocUnsafe(window * entryBytes);
  for (const { offset, length, ofTheFile } of mappings) {
    if (!ofTheFile) {
      addRun(runs, offset / pageBytes, length / pageBytes);
      continue;
    }
    for (let done = 0; done < length / pageBytes;) {
      const wanted = Math.min(window, length / pageBytes - done) * entryBytes;
      const at = ((start + offset) / pageBytes + done) * entryBytes;
      const { bytesRead } = await pagemap.read(buffer, 0, wanted, at);
      const read = Math.floor(bytesRead / entryBytes);
      if (read === 0) throw new NovaError('snapshot_failed', 'The kernel does not tell which pages a VMM has changed.');
      addChanged(buffer, read, offset / pageBytes + done, runs);
      done += read;
    }
  }
  return runs.map(([page, count]) => ({ offset: page * pageBytes, length: count * pageBytes }));
}

/** Adds the changed pages among the first `count` entries; the first entry is that of `page`. */
function addChanged(entries: Buffer, count: number, page: number, runs: [number, number][]): void {
  const words = new Uint32Array(entries.buffer, entries.byteOffset, count * 2);
  for (let index = 0; index < count; index++) {
    const upper = words[index * 2 + 1] ?? 0;
    if ((upper & presentOrSwapped) !== 0 && (upper & mappedFromFile) === 0) addRun(runs, page + index, 1);
  }
}

function addRun(runs: [number, number][], page: number, count: number): void {
  const last = runs.at(-1);
  if (last !== undefined && page - (last[0] + last[1]) <= bridgedPages) last[1] = page + count - last[0];
  else runs.push([page, count]);
}

let knownPageBytes: number | undefined;
/** Name of the page size in the auxiliary vector (getauxval(3)). */
const pageSizeEntry = 6n;

/** Bytes of a page of the host: 4 KiB, on arm64 up to 64. */
function sizeOfPage(): number {
  if (knownPageBytes !== undefined) return knownPageBytes;
  const vector = readFileSync('/proc/self/auxv');
  for (let at = 0; at + 16 <= vector.length; at += 16) {
    if (vector.readBigUInt64LE(at) === pageSizeEntry) return (knownPageBytes = Number(vector.readBigUInt64LE(at + 8)));
  }
  throw new NovaError('internal', 'The kernel does not tell the size of its pages.');
}
