import { NovaError } from '@novasandbox/protocol';

export interface ByteRange {
  readonly start: number;
  readonly length: number;
  readonly size: number;
}

/**
 * Parses one range of bytes (RFC 9110, 14.1.2). Returns null when the header is absent or must be ignored: another
 * unit, several ranges, or none.
 * @throws NovaError `range_not_satisfiable` with the size, where the range lies beyond the end
 */
export function parseRange(header: string | undefined, size: number): ByteRange | null {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (found === null) return null;
  const [, first = '', last = ''] = found;
  if (first === '' && last === '') return null;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return null;
  if (start >= size || (first === '' && Number(last) === 0)) {
    throw new NovaError('range_not_satisfiable', `The file has ${size} bytes.`, { details: { size } });
  }
  return { start, length: end - start + 1, size };
}

/** `Content-Range` of the part. */
export const contentRange = ({ start, length, size }: ByteRange): string =>
  `bytes ${start}-${start + length - 1}/${size}`;

/** `Content-Range` where no part was satisfiable. */
export const unsatisfiedRange = (size: unknown): string => `bytes */${Number(size)}`;
