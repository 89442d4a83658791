import { invalidArgument, protocolError } from './errors.ts';

/** Records of the guest channel: a sequence of `u8 tag, u32 length, bytes`. */

const FIELD_HEADER = 5;
/** How deep records may be nested. The deepest of version 1 is an EXIT record in a process record in a RESULT. */
const MAX_DEPTH = 8;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** Builds a record. Values that are `undefined` are left out, which the guest reads as 0, empty or false. */
export class RecordWriter {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  /** Throws `invalid_argument` unless the value is a non-negative integer of 64 bits. */
  integer(tag: number, value: number | bigint | undefined): this {
    if (value === undefined) return this;
    if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < 0)) {
      throw invalidArgument(`${value} is not a non-negative integer.`);
    }
    const wide = BigInt(value);
    if (wide < 0n || wide > ALL_ONES) throw invalidArgument(`${wide} does not fit 64 bits.`);
    const at = this.#field(tag, 8);
    this.#buffer.writeBigUInt64LE(wide, at);
    return this;
  }

  /** Writes `null` as all ones, which means never, or only new output. */
  integerOrNever(tag: number, value: number | null | undefined): this {
    return this.integer(tag, value === null ? ALL_ONES : value);
  }

  flag(tag: number, value: boolean | undefined): this {
    return value === true ? this.integer(tag, 1) : this;
  }

  bytes(tag: number, value: Uint8Array | undefined): this {
    if (value === undefined) return this;
    const at = this.#field(tag, value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** Throws `invalid_argument` for a NUL, which no path, argument, variable or name can hold. */
  string(tag: number, value: string | undefined): this {
    if (value === undefined) return this;
    if (value.includes('\0')) throw invalidArgument('A string for the guest contains a NUL character.');
    const at = this.#field(tag, Buffer.byteLength(value));
    this.#buffer.write(value, at);
    return this;
  }

  strings(tag: number, values: readonly string[] | undefined): this {
    for (const value of values ?? []) this.string(tag, value);
    return this;
  }

  /** Writes variables as a list of `NAME=value`. Throws `invalid_argument` for a name that is empty or holds `=`. */
  environment(tag: number, env: Readonly<Record<string, string>> | undefined): this {
    for (const [name, value] of Object.entries(env ?? {})) {
      if (name === '' || name.includes('=')) {
        throw invalidArgument(`${JSON.stringify(name)} is no name of an environment variable.`);
      }
      this.string(tag, `${name}=${value}`);
    }
    return this;
  }

  record(tag: number, value: RecordWriter | undefined): this {
    return value === undefined ? this : this.bytes(tag, value.finish());
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #field(tag: number, length: number): number {
    const at = this.#length + FIELD_HEADER;
    const end = at + length;
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer[this.#length] = tag;
    this.#buffer.writeUInt32LE(length, this.#length + 1);
    this.#length = end;
    return at;
  }
}

/**
 * A record that the guest sent. Every access is checked, and a misfit is a `guest_protocol_error`. Where a tag should
 * come once, the first counts; unknown tags are ignored.
 */
export class Fields {
  readonly #bytes: Buffer;
  readonly #depth: number;
  /** Triples of tag, start and end. */
  readonly #index: number[] = [];

  constructor(bytes: Buffer, depth = 0) {
    if (depth > MAX_DEPTH) throw protocolError('records are nested too deep');
    this.#bytes = bytes;
    this.#depth = depth;
    let at = 0;
    while (at < bytes.length) {
      if (bytes.length - at < FIELD_HEADER) throw protocolError('a record ends inside the head of a field');
      const start = at + FIELD_HEADER;
      const length = bytes.readUInt32LE(at + 1);
      if (length > bytes.length - start) throw protocolError('a field is longer than its record');
      this.#index.push(bytes[at] ?? 0, start, start + length);
      at = start + length;
    }
  }

  /** The bytes of the record as it came. */
  get byteLength(): number {
    return this.#bytes.length;
  }

  /** Gives 0 when the field is missing. Throws above `Number.MAX_SAFE_INTEGER`. */
  integer(tag: number): number {
    const value = this.bigint(tag);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw protocolError(`the number ${value} is out of range`);
    return Number(value);
  }

  /** Gives 0 when the field is missing. Throws above `max`. */
  integerUpTo(tag: number, max: number): number {
    const value = this.integer(tag);
    if (value > max) throw protocolError(`the number ${value} is out of range`);
    return value;
  }

  /** Gives an unsigned number, 0 when the field is missing. */
  bigint(tag: number): bigint {
    const field = this.#find(tag);
    if (field === undefined) return 0n;
    if (field.length !== 8) throw protocolError('an integer has not 8 bytes');
    return field.readBigUInt64LE(0);
  }

  /** Gives null for all ones, which means never. */
  integerOrNever(tag: number): number | null {
    return this.bigint(tag) === ALL_ONES ? null : this.integer(tag);
  }

  flag(tag: number): boolean {
    return this.bigint(tag) !== 0n;
  }

  /** Gives an empty string when the field is missing. Bytes that are not UTF-8 become U+FFFD. */
  string(tag: number): string {
    return this.#find(tag)?.toString('utf8') ?? '';
  }

  bytes(tag: number): Buffer {
    return this.#find(tag) ?? Buffer.alloc(0);
  }

  strings(tag: number): string[] {
    return this.#list(tag).map((field) => field.toString('utf8'));
  }

  /** Gives the nested record, or null when it is missing. */
  record(tag: number): Fields | null {
    const field = this.#find(tag);
    return field === undefined ? null : new Fields(field, this.#depth + 1);
  }

  /** Gives the nested record. Throws when it is missing. */
  requiredRecord(tag: number): Fields {
    const record = this.record(tag);
    if (record === null) throw protocolError(`a record lacks field ${tag}`);
    return record;
  }

  /** Gives the nested records. Throws when there are more than `most`. */
  records(tag: number, most: number): Fields[] {
    const list = this.#list(tag);
    if (list.length > most) throw protocolError(`a list of ${list.length}, more than ${most}`);
    return list.map((field) => new Fields(field, this.#depth + 1));
  }

  #find(tag: number): Buffer | undefined {
    const index = this.#index;
    for (let i = 0; i < index.length; i += 3) {
      if (index[i] === tag) return this.#bytes.subarray(index[i + 1], index[i + 2]);
    }
    return undefined;
  }

  #list(tag: number): Buffer[] {
    const found: Buffer[] = [];
    const index = this.#index;
    for (let i = 0; i < index.length; i += 3) {
      if (index[i] === tag) found.push(this.#bytes.subarray(index[i + 1], index[i + 2]));
    }
    return found;
  }
}
