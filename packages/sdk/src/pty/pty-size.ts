import { parse, ptySizeSchema } from '@novasandbox/protocol';

export interface PtySize {
  readonly cols: number;
  readonly rows: number;
}

/** Returns the size if a terminal can have it, and throws otherwise. */
export function checkSize({ cols, rows }: PtySize): PtySize {
  return parse(ptySizeSchema, { cols, rows }, 'pty');
}
