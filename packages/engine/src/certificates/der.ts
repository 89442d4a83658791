/** Writes the parts of DER (ITU-T X.690) that certificates are made of. */

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(length);
  const bytes = size.subarray(length < 0x100 ? 3 : length < 0x1_0000 ? 2 : length < 0x100_0000 ? 1 : 0);
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length]), bytes, content]);
}

export const sequence = (...parts: readonly Buffer[]): Buffer => tagged(0x30, Buffer.concat(parts));
/** A SET of one element, which needs no order. */
export const setOf = (part: Buffer): Buffer => tagged(0x31, part);
export const boolean = (value: boolean): Buffer => tagged(0x01, Buffer.from([value ? 0xff : 0]));
export const octets = (bytes: Buffer): Buffer => tagged(0x04, bytes);
export const utf8 = (text: string): Buffer => tagged(0x0c, Buffer.from(text));
/** A part that replaces the tag of its type, `[number] IMPLICIT`. */
export const implicit = (number: number, bytes: Buffer): Buffer => tagged(0x80 | number, bytes);
/** A part around another, `[number] EXPLICIT`. */
export const explicit = (number: number, part: Buffer): Buffer => tagged(0xa0 | number, part);

/** A number that is not negative, from its bytes. */
export function integer(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const plain = bytes.subarray(start);
  return tagged(0x02, (plain[0] ?? 0) < 0x80 ? plain : Buffer.concat([Buffer.alloc(1), plain]));
}

/** @param unused the bits of the last byte that do not count */
export const bits = (bytes: Buffer, unused = 0): Buffer => tagged(0x03, Buffer.concat([Buffer.from([unused]), bytes]));

/** @param text such as `2.5.29.14` */
export function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((number) => {
    const groups = [number & 0x7f];
    for (let left = Math.floor(number / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift(0x80 | (left & 0x7f));
    return groups;
  });
  return tagged(0x06, Buffer.from(bytes));
}

/** In seconds; UTCTime up to 2049, GeneralizedTime after it (RFC 5280, 4.1.2.5). */
export function time(at: Date): Buffer {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return at.getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits));
}
