import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FileReader } from '@novasandbox/engine';
import type { Guest } from '../guest.ts';

const bufferedBytes = 1024 * 1024;
/** A run of writes that pauses for longer is ended: a daemon ends uploads that stall. */
const idleMs = 2000;

/**
 * A file of the guest that a client has open. Clients read and write at any offset, but mostly in order: as long as
 * they do, one transfer serves all their requests. Calls must not overlap.
 */
export class OpenFile implements AsyncDisposable {
  readonly path: string;
  readonly #guest: Guest;
  readonly #append: boolean;
  #reading: Reading | undefined;
  #writing: Writing | undefined;

  constructor(guest: Guest, path: string, append: boolean) {
    this.#guest = guest;
    this.path = path;
    this.#append = append;
  }

  /** Returns `length` bytes; fewer at the end of the file, and null behind it. */
  async read(offset: number, length: number): Promise<Buffer | null> {
    await this.flush();
    const continues = this.#reading?.offset === offset ? this.#reading : undefined;
    if (continues === undefined) await this.#stopReading();
    try {
      this.#reading = continues ?? (await this.#startReading(offset));
      return await this.#reading.next(length);
    } catch (error) {
      await this.#stopReading();
      // A transfer that has waited for the client may have been ended; the file itself may be readable.
      if (continues === undefined) throw error;
      return this.read(offset, length);
    }
  }

  /** Resolves when the bytes are on their way; an error may come with a later call. */
  async write(offset: number, bytes: Buffer): Promise<void> {
    await this.#stopReading();
    if (this.#writing?.isOver === true || (!this.#append && this.#writing?.offset !== offset)) await this.flush();
    this.#writing ??= this.#startWriting(offset);
    await this.#writing.push(bytes);
  }

  /** Resolves when all that was written is in the guest. */
  async flush(): Promise<void> {
    const writing = this.#writing;
    this.#writing = undefined;
    await writing?.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopReading();
    await this.flush();
  }

  async #startReading(offset: number): Promise<Reading> {
    const { engine, sandboxId, user, gone } = this.#guest;
    return new Reading(await engine.files.read(sandboxId, this.path, { offset, user }, { signal: gone }), offset);
  }

  async #stopReading(): Promise<void> {
    const reading = this.#reading;
    this.#reading = undefined;
    await reading?.stop();
  }

  #startWriting(offset: number): Writing {
    const { engine, sandboxId, user, gone } = this.#guest;
    const how = this.#append ? { user, append: true } : { user, offset };
    return new Writing(offset, (source) => engine.files.write(sandboxId, this.path, source, how, { signal: gone }));
  }
}

class Reading {
  /** Where the next bytes are in the file. */
  offset: number;
  readonly #reader: FileReader;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #left: Buffer = Buffer.alloc(0);

  constructor(reader: FileReader, offset: number) {
    this.#reader = reader;
    this.#chunks = reader.bytes[Symbol.asyncIterator]();
    this.offset = offset;
  }

  async next(length: number): Promise<Buffer | null> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#left.length === 0) {
        const chunk = await this.#chunks.next();
        if (chunk.done === true) break;
        this.#left = Buffer.from(chunk.value);
        continue;
      }
      const part = this.#left.subarray(0, missing);
      this.#left = this.#left.subarray(part.length);
      parts.push(part);
      missing -= part.length;
    }
    if (missing === length) return null;
    this.offset += length - missing;
    return Buffer.concat(parts);
  }

  async stop(): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

class Writing {
  /** Where the next bytes belong in the file. */
  offset: number;
  /** Whether it has ended by itself, because of an error or a pause. */
  isOver = false;
  readonly #pipe = new PassThrough({ highWaterMark: bufferedBytes });
  readonly #done: Promise<unknown>;
  #idle: NodeJS.Timeout | undefined;

  constructor(offset: number, start: (source: AsyncIterable<Uint8Array>) => Promise<unknown>) {
    this.offset = offset;
    // The result of the transfer tells about errors.
    this.#pipe.on('error', () => undefined);
    this.#done = start(this.#pipe).finally(() => (this.isOver = true));
    this.#done.catch(() => undefined);
  }

  async push(bytes: Buffer): Promise<void> {
    clearTimeout(this.#idle);
    this.offset += bytes.length;
    if (!this.#pipe.write(bytes)) await Promise.race([once(this.#pipe, 'drain'), this.#done]);
    this.#idle = setTimeout(() => this.#end(), idleMs);
  }

  async finish(): Promise<void> {
    this.#end();
    await this.#done;
  }

  #end(): void {
    clearTimeout(this.#idle);
    this.isOver = true;
    this.#pipe.end();
  }
}
