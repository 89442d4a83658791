import { NovaError } from '@novasandbox/protocol';
import { maxStateBytes } from '../snapshot.ts';

/**
 * QEMU's migration stream (migration/savevm.c and migration/ram.c of QEMU): a header, sections of the types START, PART
 * and END that hold RAM, sections of type FULL that hold a device each, and an end mark. Numbers are big-endian.
 */
const magic = 0x5145564d;
const version = 3;
const section = { eof: 0x00, start: 0x01, part: 0x02, end: 0x03, full: 0x04, subsection: 0x05 } as const;
const description = 0x06;
/** From QEMU 11.1 on, a command comes before the memory. */
const command = 0x08;
const configuration = 0x07;
const footer = 0x7e;
/** Flags in the low bits of a page's offset. */
const flags = { zero: 0x02, whole: 0x08, endOfSection: 0x10, sameBlock: 0x20 } as const;
const flagMask = 0xfffn;
/** Page size of the guest's processor, in which QEMU counts whatever the host's page size is. */
const guestPageBytes = 4096;
/**
 * Limit on the list of memory blocks or capabilities, which could be endless. A name needs no limit: its length has one
 * byte.
 */
const mostItems = 1024;

/** The name of the guest's memory: the id of its memory backend. */
export const mainMemory = 'ram0';

/** A page of the guest's memory, where it belongs. */
export interface Page {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Takes a number of bytes from the stream. */
type Take<T> = Generator<number, T, Buffer>;

/**
 * Splits a stream, as it comes in, into the pages of the guest's memory and the head. The head is everything else
 * before the devices: configuration, the list of memory blocks, the contents of ROMs.
 */
export class StreamSplitter {
  readonly #head: Buffer[] = [];
  readonly #memoryBytes: number;
  readonly #parser: Take<void>;
  #headBytes = 0;
  #pages: Page[] = [];
  /** The memory block of the last page. Later pages may refer to it, also in the next section. */
  #block = '';
  #waiting: Buffer = Buffer.alloc(0);
  #needed: number;
  #done = false;

  /** @param memoryBytes size of the guest's memory: no page lies beyond it */
  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
    this.#parser = this.#stream();
    const first = this.#parser.next();
    this.#needed = first.done === true ? 0 : first.value;
  }

  /**
   * Takes the next bytes of the stream and returns the pages in them. Throws `snapshot_failed` when it is not a valid
   * stream.
   */
  push(chunk: Buffer): readonly Page[] {
    this.#pages = [];
    if (this.#done) return this.#pages;
    const bytes = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk]);
    let at = 0;
    while (!this.#done && at + this.#needed <= bytes.length) {
      const next = this.#parser.next(bytes.subarray(at, at + this.#needed));
      at += this.#needed;
      if (next.done === true) this.#done = true;
      else this.#needed = next.value;
    }
    this.#waiting = Buffer.from(bytes.subarray(at));
    return this.#pages;
  }

  /** The head, once the devices have begun. */
  end(): Buffer {
    if (!this.#done) throw notAStream('it is cut short');
    return Buffer.concat(this.#head);
  }

  *#stream(): Take<void> {
    if ((yield* this.#u32()) !== magic || (yield* this.#u32()) !== version)
      throw notAStream('it begins with another magic number');
    let type = yield* this.#look();
    if (type === configuration) {
      this.#keep(Buffer.of(type));
      type = yield* this.#configuration();
    }
    let hasMemory = false;
    while (type !== section.full) {
      this.#keep(Buffer.of(type));
      if (type === command) {
        yield* this.#command();
        type = yield* this.#look();
        continue;
      }
      yield* this.#u32();
      if (type === section.start) {
        const name = yield* this.#text();
        yield* this.#kept(8);
        if (name !== 'ram') throw notAStream(`the device ${name} comes in parts`);
        hasMemory = true;
        yield* this.#blocks();
      } else if (type !== section.part && type !== section.end) {
        throw notAStream(`a section has the unknown type ${type}`);
      }
      yield* this.#pagesOfSection();
      type = yield* this.#look();
      if (type !== footer) continue;
      this.#keep(Buffer.of(type));
      yield* this.#u32();
      type = yield* this.#look();
    }
    if (!hasMemory) throw notAStream('its devices come before its memory');
  }

  /** Returns the type of the section after it. */
  *#configuration(): Take<number> {
    yield* this.#kept(yield* this.#u32());
    for (;;) {
      const type = yield* this.#look();
      if (type !== section.subsection) return type;
      this.#keep(Buffer.of(type));
      const name = yield* this.#text();
      yield* this.#u32();
      if (name === 'configuration/target-page-bits') {
        yield* this.#u32();
        continue;
      }
      if (name !== 'configuration/capabilities') throw notAStream(`its configuration has the unknown part ${name}`);
      const count = yield* this.#u32();
      if (count > mostItems) throw notAStream(`it has ${count} capabilities`);
      for (let index = 0; index < count; index++) yield* this.#text();
    }
  }

  /** Reads a message to the destination: its number and its payload. */
  *#command(): Take<void> {
    const length = (yield* this.#kept(4)).readUInt16BE(2);
    yield* this.#kept(length);
  }

  /** Names and sizes of the memory blocks and, as x-ignore-shared is always on, their addresses. */
  *#blocks(): Take<void> {
    let left = (yield* this.#u64()) & ~flagMask;
    for (let index = 0; left > 0n; index++) {
      if (index > mostItems) throw notAStream('its list of memory blocks has no end');
      yield* this.#text();
      left -= yield* this.#u64();
      yield* this.#u64();
    }
  }

  *#pagesOfSection(): Take<void> {
    for (;;) {
      const word: Buffer = Buffer.from(yield 8);
      const value = word.readBigUInt64BE();
      const has = Number(value & flagMask);
      if ((has & flags.endOfSection) !== 0) return this.#keep(word);
      let name = Buffer.alloc(0);
      if ((has & flags.sameBlock) === 0) {
        const length = (yield 1)[0] ?? 0;
        name = Buffer.from(yield length);
        this.#block = name.toString('latin1');
        name = Buffer.concat([Buffer.of(length), name]);
      }
      const bytes = (has & flags.zero) !== 0 ? 1 : (has & flags.whole) !== 0 ? guestPageBytes : null;
      if (bytes === null) throw notAStream(`a page has the unknown flags ${has}`);
      const data: Buffer = yield bytes;
      if (this.#block !== mainMemory) this.#keep(Buffer.concat([word, name, data]));
      // An empty page is a hole in the file.
      else if (bytes === guestPageBytes) {
        const offset = Number(value & ~flagMask);
        if (offset + bytes > this.#memoryBytes) throw notAStream(`a page lies at ${offset}, beyond the memory`);
        this.#pages.push({ offset, bytes: data });
      }
    }
  }

  #keep(bytes: Buffer): void {
    this.#headBytes += bytes.length;
    if (this.#headBytes > maxStateBytes) throw notAStream('it has no end');
    this.#head.push(bytes);
  }

  *#look(): Take<number> {
    return (yield 1)[0] ?? 0;
  }

  *#kept(count: number): Take<Buffer> {
    if (count > guestPageBytes) throw notAStream(`a name has ${count} bytes`);
    const bytes = Buffer.from(yield count);
    this.#keep(bytes);
    return bytes;
  }

  *#u32(): Take<number> {
    return (yield* this.#kept(4)).readUInt32BE();
  }

  *#u64(): Take<bigint> {
    return (yield* this.#kept(8)).readBigUInt64BE();
  }

  *#text(): Take<string> {
    const [length = 0] = yield* this.#kept(1);
    return (yield* this.#kept(length)).toString('latin1');
  }
}

/** Returns the head of a complete stream, such as the state of a template, which does not contain its memory. */
export function headOf(state: Buffer): Buffer {
  const splitter = new StreamSplitter(0);
  splitter.push(state);
  return splitter.end();
}

/**
 * Returns the devices in a file of `xen-save-devices-state` (docs/xen-save-devices-state.txt of QEMU) as they follow a
 * stream's head: without the file's header, and with the empty description that ends a stream.
 */
export function devicesOf(saved: Buffer): Buffer {
  if (saved.length <= 8 || saved.readUInt32BE(0) !== magic || saved.readUInt32BE(4) !== version)
    throw notAStream('its devices begin with another magic number');
  if (saved.at(-1) !== section.eof) throw notAStream('its devices are cut short');
  return Buffer.concat([saved.subarray(8), Buffer.of(description, 0, 0, 0, 0)]);
}

const notAStream = (why: string): NovaError =>
  new NovaError('snapshot_failed', `The state that QEMU has written cannot be read: ${why}.`);
