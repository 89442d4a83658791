/** The first message of a TLS client (RFC 8446, 4.1.2). */
export interface ClientHello {
  /** As sent; null where it names no server. */
  readonly serverName: string | null;
  /** The protocols that it offers to speak within TLS (ALPN), in its order. */
  readonly protocols: readonly string[];
}

export type HelloRead = ClientHello | 'incomplete' | 'malformed';

const handshakeRecord = 22;
const clientHelloMessage = 1;
const recordHeader = 5;
/** The longest record without encryption. */
const longestRecord = 1 << 14;
const serverNameExtension = 0;
const protocolsExtension = 16;
const hostNameType = 0;

/** Whether this is the beginning of TLS. Three bytes are enough to tell. */
export const beginsTls = (bytes: Buffer): boolean => bytes[0] === handshakeRecord && bytes[1] === 3;

/**
 * Reads a ClientHello, which may be split over several records and is often longer than a packet. `bytes` is all that
 * has arrived.
 */
export function readClientHello(bytes: Buffer): HelloRead {
  const handshake = joinRecords(bytes);
  if (handshake === 'malformed') return 'malformed';
  const { message, isWhole } = handshake;
  if (message.length < 4) return isWhole ? 'malformed' : 'incomplete';
  if (message[0] !== clientHelloMessage) return 'malformed';
  const length = message.readUIntBE(1, 3);
  if (message.length < 4 + length) return 'incomplete';
  return readBody(new Reader(message.subarray(4, 4 + length)));
}

/** The handshake messages of the records that are whole, or begun. */
function joinRecords(bytes: Buffer): { readonly message: Buffer; readonly isWhole: boolean } | 'malformed' {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] !== handshakeRecord || (bytes.length > at + 1 && bytes[at + 1] !== 3)) return 'malformed';
    if (bytes.length < at + recordHeader) break;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > longestRecord) return 'malformed';
    parts.push(bytes.subarray(at + recordHeader, at + recordHeader + length));
    at += recordHeader + length;
    const message = Buffer.concat(parts);
    // Bytes after the first message are not ours to read.
    if (message.length >= 4 && message.length >= 4 + message.readUIntBE(1, 3)) return { message, isWhole: true };
  }
  return { message: Buffer.concat(parts), isWhole: false };
}

function readBody(body: Reader): HelloRead {
  // Version and random.
  body.skip(2 + 32);
  // Session, cipher suites, compression methods.
  for (const lengthBytes of [1, 2, 1] as const) body.take(body.number(lengthBytes));
  if (body.failed) return 'malformed';
  if (body.left === 0) return { serverName: null, protocols: [] };
  const extensions = new Reader(body.take(body.number(2)));
  if (body.failed || body.left > 0) return 'malformed';
  let serverName: string | null = null;
  let protocols: readonly string[] | null = null;
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const data = extensions.take(extensions.number(2));
    if (extensions.failed) return 'malformed';
    // A second one could be the one that the server takes.
    if (type === serverNameExtension) {
      const name = readServerName(new Reader(data));
      if (name === null || serverName !== null) return 'malformed';
      serverName = name;
    } else if (type === protocolsExtension) {
      const names = readProtocols(new Reader(data));
      if (names === null || protocols !== null) return 'malformed';
      protocols = names;
    }
  }
  return { serverName, protocols: protocols ?? [] };
}

/** RFC 7301, 3.1. */
function readProtocols(data: Reader): string[] | null {
  const list = new Reader(data.take(data.number(2)));
  const names: string[] = [];
  while (list.left > 0) names.push(list.take(list.number(1)).toString('latin1'));
  return data.failed || list.failed || data.left > 0 || names.includes('') ? null : names;
}

/** The list has one name of one type (RFC 6066, 3). */
function readServerName(data: Reader): string | null {
  const list = new Reader(data.take(data.number(2)));
  const type = list.number(1);
  const name = list.take(list.number(2));
  const isWhole = !data.failed && !list.failed && data.left === 0 && list.left === 0;
  return isWhole && type === hostNameType && name.length > 0 ? name.toString('latin1') : null;
}

/** Reads forward. Beyond the end it gives nothing, and says so afterwards. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  failed = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(bytes: 1 | 2): number {
    const taken = this.take(bytes);
    return taken.length < bytes ? 0 : taken.readUIntBE(0, bytes);
  }

  take(length: number): Buffer {
    if (length > this.left) {
      this.failed = true;
      this.#at = this.#bytes.length;
      return Buffer.alloc(0);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  skip(length: number): void {
    this.take(length);
  }
}
