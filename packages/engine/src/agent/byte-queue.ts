/** Payloads shorter than this are copied together. As views, a few bytes each could keep 64 KiB alive. */
const SMALL = 16_384;
const BLOCK = 32_768;
const ENTRY_HEADER = 5;

export interface ChannelBytes {
  readonly channel: number;
  readonly bytes: Buffer;
}

/** Small payloads in order, each behind its channel and length. Neighbours of the same channel are joined. */
interface Block {
  readonly buffer: Buffer;
  used: number;
  read: number;
  /** Where the newest entry begins. */
  last: number;
}

/**
 * Bytes that wait for their consumer. The guest chooses the sizes of the pieces that it sends. Whatever it chooses,
 * the queue holds a small multiple of the bytes, which credit bounds, and a slow consumer gets few large pieces.
 */
export class ByteQueue {
  #items: (ChannelBytes | Block)[] = [];

  get empty(): boolean {
    return this.#items.length === 0;
  }

  push(channel: number, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const tail = this.#items.at(-1);
    if (bytes.length >= SMALL || tail === undefined) this.#items.push({ channel, bytes });
    else if (!('buffer' in tail) || !append(tail, channel, bytes)) {
      const block: Block = { buffer: Buffer.allocUnsafe(BLOCK), used: 0, read: 0, last: 0 };
      append(block, channel, bytes);
      this.#items.push(block);
    }
  }

  shift(): ChannelBytes | undefined {
    const head = this.#items[0];
    if (head === undefined) return undefined;
    if (!('buffer' in head)) {
      this.#items.shift();
      return head;
    }
    const start = head.read + ENTRY_HEADER;
    const end = start + head.buffer.readUInt32LE(head.read + 1);
    const found = { channel: head.buffer[head.read] ?? 0, bytes: head.buffer.subarray(start, end) };
    head.read = end;
    // The block goes when its last entry is taken, so that new bytes are never joined to bytes that the consumer
    // already has.
    if (head.read === head.used) this.#items.shift();
    return found;
  }

  clear(): void {
    this.#items = [];
  }
}

function append(block: Block, channel: number, bytes: Buffer): boolean {
  const { buffer, last, used } = block;
  const joins = last < used && buffer[last] === channel;
  const needed = bytes.length + (joins ? 0 : ENTRY_HEADER);
  if (used + needed > buffer.length) return false;
  if (joins) {
    buffer.writeUInt32LE(buffer.readUInt32LE(last + 1) + bytes.length, last + 1);
  } else {
    block.last = used;
    buffer[used] = channel;
    buffer.writeUInt32LE(bytes.length, used + 1);
  }
  buffer.set(bytes, used + needed - bytes.length);
  block.used += needed;
  return true;
}
