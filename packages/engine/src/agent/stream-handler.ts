import type { NovaError } from '@novasandbox/protocol';
import type { Outbox } from './outbox.ts';
import type { Fields, RecordWriter } from './record.ts';

/**
 * The callbacks of a stream's owner. They are called synchronously while incoming bytes are processed, so none of them
 * may run code of the caller or throw anything but `guest_protocol_error`, which ends the session. Exactly one of
 * `result` and `failed` is called, last and once.
 */
export interface StreamHandler {
  /** `bytes` is a view of what arrived; the owner grants it back with `consumed`. */
  data?(channel: number, bytes: Buffer): void;
  message?(type: number, fields: Fields): void;
  finish?(): void;
  /** The guest has granted credit, so it makes progress. */
  credit?(): void;
  result(fields: Fields): void;
  failed(error: NovaError): void;
}

/** Called with the first MESSAGE that was on its way when its stream was abandoned. */
export type LateListener = (type: number, fields: Fields) => void;

/** The parts of a session that a stream needs. */
export interface StreamHost {
  readonly outbox: Outbox;
  /** Called when the stream is over on this side. */
  forget(id: number, late: LateListener | undefined): void;
}

/** Further actions of an abandoned stream. */
export interface Farewell {
  /** A MESSAGE that goes out right before CANCEL. */
  readonly message?: { readonly type: number; readonly fields: RecordWriter };
  readonly late?: LateListener;
}
