import { parse, ptySizeSchema } from '@novasandbox/protocol';

export interface PtySize {
  readonly cols: number;
  readonly rows: number;
}

/** The size, when a terminal can have it. */
export function checkSize({ cols, rows }: PtySize): PtySize {
  return parse(ptySizeSchema, { cols, rows }, 'pty');
}
