import { NovaError } from '@novasandbox/protocol';
import type { NamedFile } from 'ssh2';
import type { OpenFile } from './open-file.ts';

const mostHandles = 256;

interface Open {
  readonly file: OpenFile | undefined;
  readonly names: NamedFile[];
  /** The requests of one handle are done in their order. */
  last: Promise<unknown>;
}

/** The files and directories that a client has open. */
export interface Handles {
  addFile(file: OpenFile): Buffer;
  addDirectory(names: NamedFile[]): Buffer;
  withFile(handle: Buffer, work: (file: OpenFile) => Promise<void>): Promise<void>;
  withDirectory(handle: Buffer, work: (names: NamedFile[]) => void): Promise<void>;
  /** Rejects where what was written last could not be written. */
  close(handle: Buffer): Promise<void>;
  closeAll(): Promise<void>;
}

export function createHandles(): Handles {
  const all = new Map<string, Open>();
  let count = 0;
  const add = (file: OpenFile | undefined, names: NamedFile[]): Buffer => {
    if (all.size >= mostHandles) {
      throw new NovaError('conflict', `This client has ${mostHandles} files open already.`, { hint: 'Close some.' });
    }
    count += 1;
    const name = String(count);
    all.set(name, { file, names, last: Promise.resolve() });
    return Buffer.from(name);
  };
  const find = (handle: Buffer): Open => {
    const open = all.get(handle.toString());
    if (open === undefined) throw new NovaError('invalid_argument', 'The client has no such file open.');
    return open;
  };
  const inTurn = <T>(open: Open, work: () => T | Promise<T>): Promise<T> => {
    const mine = open.last.then(work);
    open.last = mine.catch(() => undefined);
    return mine;
  };
  const end = async (name: string, open: Open): Promise<void> => {
    all.delete(name);
    await inTurn(open, () => open.file?.[Symbol.asyncDispose]());
  };
  return {
    addFile: (file) => add(file, []),
    addDirectory: (names) => add(undefined, names),
    async withFile(handle, work) {
      const open = find(handle);
      const { file } = open;
      if (file === undefined) throw new NovaError('is_a_directory', 'The client has a directory open, and no file.');
      await inTurn(open, () => work(file));
    },
    async withDirectory(handle, work) {
      const open = find(handle);
      if (open.file !== undefined) throw new NovaError('not_a_directory', 'The client has a file open, no directory.');
      await inTurn(open, () => work(open.names));
    },
    async close(handle) {
      await end(handle.toString(), find(handle));
    },
    async closeAll() {
      await Promise.allSettled([...all].map(([name, open]) => end(name, open)));
    },
  };
}
