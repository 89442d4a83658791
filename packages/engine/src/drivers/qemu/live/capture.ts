import { constants } from 'node:fs';
import { open, readFile, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { bindable } from '../../../layout.ts';
import { throwIfAborted } from '../../../abort.ts';
import type { MachineRecord, SnapshotOptions } from '../../../ports/vmm-driver.ts';
import { mayChangeUsers } from '../../../vmm/confine.ts';
import { giveFile, vmmUser } from '../../../vmm/ownership.ts';
import { letRun } from '../let-run.ts';
import type { QmpClient } from '../qmp.ts';
import { maxStateBytes, memoryFile, stateFile } from '../snapshot.ts';
import { connectedChannels, noteChannels } from './channels.ts';
import { openClonedMemory, type ClonedMemory } from './guest-memory.ts';
import { devicesOf, headOf } from './migration-stream.ts';
import { pagesFile, writePagesFile } from './pages-file.ts';
import { writeWholeMemory } from './whole-memory.ts';

/** A file in the machine's folder while a snapshot is taken. QEMU opens it by its name. */
const devicesFile = 'devices';

/** A snapshot of a machine whose files are there, and still empty. Disposing closes them. */
export interface Capture extends AsyncDisposable {
  readonly directory: string;
  readonly template: boolean;
  readonly memory: MemoryWriter;
  readonly state: FileHandle;
}

/**
 * Makes the files of a snapshot in `directory`, and opens what it is made of. A template's memory is already there,
 * because its guest has used the file all along.
 */
export async function prepareCapture(
  record: MachineRecord,
  directory: string,
  { template, memoryFolders }: Pick<SnapshotOptions, 'memoryFolders'> & { readonly template: boolean },
): Promise<Capture> {
  await using undo = new AsyncDisposableStack();
  const devices = join(record.directory, devicesFile);
  undo.defer(() => rm(devices, { force: true }));
  await prepareDevicesFile(devices, record);
  const memory = template ? templateMemory(record) : await memoryOf(undo, record, directory, memoryFolders);
  const state = undo.use(await open(join(directory, stateFile), 'wx', 0o600));
  const held = undo.move();
  return { directory, template, memory, state, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/**
 * Writes memory and devices of a machine, and leaves it as it was, running or paused; a template is left paused. For a
 * clone, only the pages that differ from its template's are written, where the host lets us read the VMM's memory.
 * Otherwise, and for other machines, all pages that are not empty are written.
 */
export async function captureMachine(
  qmp: QmpClient,
  record: MachineRecord,
  { directory, template, memory, state }: Capture,
  signal: AbortSignal | undefined,
): Promise<void> {
  const devices = join(record.directory, devicesFile);
  const { status } = await qmp.execute<{ readonly status: string }>('query-status');
  const wasRunning = status === 'running';
  // The rest takes a moment and ends with a guest that runs again, so an abort waits for that.
  throwIfAborted(signal, 'before the guest was stopped for its snapshot');
  if (wasRunning) await qmp.execute('stop');
  let head: Buffer;
  let channels: readonly number[] = [];
  try {
    if (!template) channels = await connectedChannels(qmp, record);
    // The devices are saved first: after a migration QEMU regards them as another machine's.
    await qmp.execute('xen-save-devices-state', { filename: devices, live: false });
    head = await memory.write(qmp);
  } finally {
    // A template stays paused, because its guest would write to the memory that its clones share.
    if (wasRunning && !template) await goOn(qmp);
  }
  await state.writeFile(Buffer.concat([head, devicesOf(await readDevices(devices))]));
  if (!template) await noteChannels(directory, channels);
}

/**
 * Resumes the guest. If QEMU does not answer in time, `cont` is sent again without waiting, and QEMU runs it when it
 * can.
 */
async function goOn(qmp: QmpClient): Promise<void> {
  try {
    await letRun(qmp);
  } catch (error) {
    qmp.leave('cont');
    throw error;
  }
}

/** How a machine's memory is written while the guest stands still. */
export interface MemoryWriter {
  /** Name of the file. */
  readonly name: string;
  readonly memoryFrom: string | null;
  /** Returns the stream's head. */
  write(qmp: QmpClient): Promise<Buffer>;
}

/**
 * Socket for the stream that comes out of QEMU. It lies outside of the folder where the VMM makes its sockets, because
 * it is ours.
 */
const streamSocket = ({ socketDirectory }: MachineRecord): string => bindable(join(socketDirectory, 'state'));

const templateMemory = (record: MachineRecord): MemoryWriter => ({
  name: memoryFile,
  memoryFrom: null,
  write: (qmp) => writeWholeMemory(qmp, streamSocket(record), null),
});

async function memoryOf(
  undo: AsyncDisposableStack,
  record: MachineRecord,
  directory: string,
  memoryFolders: readonly string[] = [record.memoryFrom ?? []].flat(),
): Promise<MemoryWriter> {
  const { memoryBytes } = record;
  if (memoryBytes === undefined)
    throw new NovaError(
      'snapshot_failed',
      'The machine was started by an earlier release, which noted no memory size.',
      {
        hint: 'Stop the sandbox and start it again.',
      },
    );
  // Changed pages can be restored only where QEMU is started by the confiner, which loads the library that maps them.
  const cloned = mayChangeUsers() ? await openMemoryIn(memoryFolders, record, memoryBytes) : null;
  const name = cloned === null ? memoryFile : pagesFile;
  const output = undo.use(await open(join(directory, name), 'wx', 0o600));
  if (cloned === null) {
    await output.truncate(memoryBytes);
    return {
      name,
      memoryFrom: null,
      write: (qmp) => writeWholeMemory(qmp, streamSocket(record), { file: output, bytes: memoryBytes }),
    };
  }
  const { memoryFrom, clone } = cloned;
  undo.use(clone);
  const head = headOf(await readFile(join(memoryFrom, stateFile)));
  return {
    name,
    memoryFrom,
    async write() {
      await writePagesFile(clone, await clone.changedPages(), memoryBytes, output);
      return head;
    },
  };
}

/** The first of the folders whose memory the process maps, and the memory as it has it. */
async function openMemoryIn(
  folders: readonly string[],
  { pid, memoryFrom: before }: MachineRecord,
  bytes: number,
): Promise<{ readonly memoryFrom: string; readonly clone: ClonedMemory } | null> {
  for (const memoryFrom of folders) {
    const mappedAs = join(before ?? memoryFrom, memoryFile);
    const clone = await openClonedMemory(pid, join(memoryFrom, memoryFile), bytes, mappedAs);
    if (clone !== null) return { memoryFrom, clone };
  }
  return null;
}

/** QEMU may not make files, so it is given one to write to. */
async function prepareDevicesFile(path: string, { socketDirectory }: MachineRecord): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, '', { flag: 'wx', mode: 0o600 });
  const { uid, gid } = vmmUser(socketDirectory);
  giveFile(path, uid, gid, 0o600);
}

/** Reads the file, into which a VMM that its guest has taken over may have written anything. */
async function readDevices(path: string): Promise<Buffer> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const { size } = await file.stat();
  if (size > maxStateBytes) throw new NovaError('snapshot_failed', "QEMU's device state has no end.");
  const bytes = Buffer.alloc(size);
  const { bytesRead } = await file.read(bytes, 0, size, 0);
  return bytes.subarray(0, bytesRead);
}
