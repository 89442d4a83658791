import type { Readable } from 'node:stream';

/** An answer whose body is sent as it is produced. */
export interface StreamAnswer {
  readonly status?: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}
