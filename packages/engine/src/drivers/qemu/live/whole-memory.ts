import { once } from 'node:events';
import { chmod, rm, type FileHandle } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { patience, unanswered } from '../../../vmm/patience.ts';
import type { QmpClient } from '../qmp.ts';
import { ignoreSharedMemory, migrationEnd } from '../snapshot.ts';
import { StreamSplitter, type Page } from './migration-stream.ts';

/** The file to which the memory of a guest is written. */
export interface MemoryFile {
  readonly file: FileHandle;
  /** Size of the guest's memory. */
  readonly bytes: number;
}

/**
 * Has QEMU send the memory of a guest that stands still, as for a migration, and writes it into `memory`; null when the
 * guest shares its memory with a file, which QEMU leaves out. Returns the stream's head. This is slower than reading
 * the changed pages, but it needs no right to the VMM's memory, and works for guests that are not clones. QEMU is
 * confined and cannot make files, so the stream goes through a socket. `cont` resumes the guest.
 */
export async function writeWholeMemory(qmp: QmpClient, socket: string, memory: MemoryFile | null): Promise<Buffer> {
  await qmp.execute('migrate-set-capabilities', {
    // Clones have this capability set, and refuse a stream without it.
    capabilities: [...ignoreSharedMemory.capabilities, { capability: 'events', state: true }],
  });
  // Bytes per second; QEMU's default is 128 MiB.
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': Number.MAX_SAFE_INTEGER });
  const arrived = Promise.withResolvers<Buffer>();
  // Avoid an unhandled rejection: a failure is reported where this is awaited.
  arrived.promise.catch(() => undefined);
  let stream: Socket | undefined;
  const server = createServer((connection) => {
    server.close();
    stream = connection;
    splitStream(connection, memory).then(arrived.resolve, arrived.reject);
  });
  try {
    await once(server.listen(socket), 'listening');
    // Only the VMM can pass through the folder, and it may connect whichever user it runs as.
    await chmod(socket, 0o666);
    await qmp.execute('migrate', { uri: `unix:${socket}` });
    const [head] = await Promise.all([arrived.promise, migrationEnd(qmp)]);
    return head;
  } finally {
    server.close();
    // A VMM that its guest has taken over may send without end.
    stream?.destroy();
    await rm(socket, { force: true });
  }
}

async function splitStream(connection: Socket, memory: MemoryFile | null): Promise<Buffer> {
  connection.setTimeout(patience.answerMs, () =>
    connection.destroy(unanswered('QEMU', 'with the rest of its memory', patience.answerMs)),
  );
  const splitter = new StreamSplitter(memory?.bytes ?? 0);
  for await (const chunk of connection) {
    const pages = splitter.push(chunk as Buffer);
    if (memory !== null) await writePages(memory.file, pages);
  }
  return splitter.end();
}

/** Writes the pages; those that follow each other are written at once. */
async function writePages(memory: FileHandle, pages: readonly Page[]): Promise<void> {
  let start = 0;
  let end = 0;
  let buffers: Buffer[] = [];
  const write = async (): Promise<void> => {
    if (buffers.length > 0) await memory.writev(buffers, start);
    buffers = [];
  };
  for (const { offset, bytes } of pages) {
    if (offset !== end) {
      await write();
      start = offset;
    }
    buffers.push(bytes);
    end = offset + bytes.length;
  }
  await write();
}
