import type { NovaError } from '@novasandbox/protocol';
import { endedError, inputClosed, invalidArgument, protocolError, type ErrorContext } from './errors.ts';
import { INITIAL_CREDIT, MAX_DATA, MAX_JOINED, encodeCredit, encodeFrame, encodeJoined } from './frame.ts';
import type { Sender } from './outbox.ts';
import type { Fields, RecordWriter } from './record.ts';
import type { Farewell, LateListener, StreamHandler, StreamHost } from './stream-handler.ts';
import { frameKinds } from './numbers.ts';

/** More credit than an honest guest ever gives; a larger sum could overflow. */
const MAX_CREDIT = 0x7fff_ffff;
/**
 * Number of consumed bytes that one frame grants. It keeps frames few, and the guest never runs out of credit while the
 * host keeps up.
 */
const GRANT_STEP = INITIAL_CREDIT / 2;

interface Settle {
  resolve(): void;
  reject(error: NovaError): void;
}

/** A frame that goes out ahead of data; `settle` is set when somebody waits for that. */
interface Urgent {
  readonly frame: Buffer;
  readonly settle: Settle | null;
}

interface Pending {
  readonly channel: number;
  readonly bytes: Uint8Array;
  readonly settle: Settle;
}

/** One stream: its credit in both directions and what waits to be sent. */
export class Stream implements Sender {
  readonly id: number;
  readonly context: ErrorContext;
  readonly handler: StreamHandler;
  readonly #session: StreamHost;
  readonly #urgent: Urgent[] = [];
  readonly #pending: Pending[] = [];
  /** The bytes of the first pending write that have gone out. */
  #sent = 0;
  #sendCredit = INITIAL_CREDIT;
  #receiveCredit = INITIAL_CREDIT;
  #consumed = 0;
  /** Whether the request was handed to the Duplex; from then on the guest has to be told of a cancellation. */
  #opened = false;
  #finish: 'no' | 'wanted' | 'sent' = 'no';
  #failure: NovaError | 'succeeded' | null = null;

  constructor(session: StreamHost, id: number, context: ErrorContext, handler: StreamHandler) {
    this.#session = session;
    this.id = id;
    this.context = context;
    this.handler = handler;
  }

  /** Whether RESULT, ERROR, a cancellation or the end of the session has closed it. */
  get closed(): boolean {
    return this.#failure !== null;
  }

  /** Whether the request has left: the guest may have acted on it, whatever becomes of the stream. */
  get sent(): boolean {
    return this.#opened;
  }

  encodeRequest(method: number, args: RecordWriter): Buffer {
    return this.#encode(frameKinds.open, method, args);
  }

  start(request: Buffer): void {
    this.#pushUrgent(request);
  }

  /**
   * Sends a MESSAGE ahead of data that waits for credit. Resolves when it is on its way; rejects when the stream ends
   * first.
   */
  message(type: number, fields: RecordWriter): Promise<void> {
    if (this.closed) return Promise.reject(this.#closedError());
    const frame = this.#encode(frameKinds.message, type, fields);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {});
    this.#pushUrgent(frame, { resolve, reject });
    return promise;
  }

  /**
   * Sends DATA as the credit of the guest and the Duplex allow. Returns undefined when all bytes have been sent, which
   * avoids a needless wait; otherwise a promise for that, which rejects when the stream ends first. `bytes` must not
   * change until then.
   */
  send(channel: number, bytes: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== null) return Promise.reject(this.#closedError());
    if (this.#finish !== 'no') return Promise.reject(inputClosed());
    if (bytes.length === 0) return undefined;
    let gone = false;
    let waiting: Settle | null = null;
    const settle: Settle = {
      resolve: () => {
        gone = true;
        waiting?.resolve();
      },
      reject: (error) => waiting?.reject(error),
    };
    this.#pending.push({ channel, bytes, settle });
    this.#session.outbox.offerData(this);
    if (gone) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {});
    waiting = { resolve, reject };
    return promise;
  }

  /** Sends no more DATA after the pending bytes. Idempotent. */
  finish(): void {
    if (this.closed || this.#finish !== 'no') return;
    this.#finish = 'wanted';
    this.#session.outbox.offerData(this);
  }

  /** The consumer has taken `bytes`; the guest may send as many more. */
  consumed(bytes: number): void {
    this.#consumed += bytes;
    if (this.#consumed >= GRANT_STEP && !this.closed) this.#session.outbox.offerUrgent(this);
  }

  /** Gives the stream up: the owner fails with `error`. The guest is told only if the request was sent. Idempotent. */
  abandon(error: NovaError, { message, late }: Farewell = {}): void {
    if (this.closed) return;
    const opened = this.#opened;
    this.#end(error, opened ? late : undefined);
    if (opened) {
      if (message !== undefined) this.#pushUrgent(this.#encode(frameKinds.message, message.type, message.fields));
      this.#pushUrgent(encodeFrame(frameKinds.cancel, this.id, null));
    }
    this.handler.failed(error);
  }

  /** Called by the session when DATA has come. */
  receive(channel: number, bytes: Buffer): void {
    this.#receiveCredit -= bytes.length;
    if (this.#receiveCredit < 0) throw protocolError('more DATA than it had credit for');
    this.handler.data?.(channel, bytes);
  }

  /** Called by the session when CREDIT has come. */
  addCredit(bytes: number): void {
    this.#sendCredit += bytes;
    if (this.#sendCredit > MAX_CREDIT) throw protocolError('more credit than there can be');
    this.handler.credit?.();
    if (this.#pending.length > 0) this.#session.outbox.offerData(this);
  }

  /** Called by the session when RESULT has come. */
  succeed(fields: Fields): void {
    this.handler.result(fields);
    this.#end('succeeded', undefined);
  }

  /** Called by the session when ERROR has come, or the session has ended. */
  fail(error: NovaError): void {
    if (this.closed) return;
    this.#end(error, undefined);
    this.handler.failed(error);
  }

  nextUrgent(): Buffer | undefined {
    const urgent = this.#urgent.shift();
    if (urgent !== undefined) {
      this.#opened = true;
      urgent.settle?.resolve();
      return urgent.frame;
    }
    if (this.#consumed < GRANT_STEP || this.closed) return undefined;
    const bytes = this.#consumed;
    this.#consumed = 0;
    this.#receiveCredit += bytes;
    return encodeCredit(this.id, bytes);
  }

  nextData(): Buffer | undefined {
    const first = this.#pending[0];
    if (first === undefined) {
      if (this.#finish !== 'wanted') return undefined;
      this.#finish = 'sent';
      return encodeFrame(frameKinds.finish, this.id, null);
    }
    const length = Math.min(first.bytes.length - this.#sent, this.#sendCredit, MAX_DATA);
    if (length === 0) return undefined;
    const end = this.#sent + length;
    const frame = encodeFrame(frameKinds.data, this.id, first.channel, first.bytes.subarray(this.#sent, end));
    this.#sendCredit -= length;
    this.#sent = end;
    if (end === first.bytes.length) {
      this.#pending.shift();
      this.#sent = 0;
      first.settle.resolve();
    }
    return frame;
  }

  #pushUrgent(frame: Buffer, settle: Settle | null = null): void {
    this.#urgent.push({ frame, settle });
    this.#session.outbox.offerUrgent(this);
  }

  #encode(kind: number, lead: number, fields: RecordWriter): Buffer {
    const body = fields.finish();
    if (body.length + 1 > MAX_JOINED) {
      throw invalidArgument(`The arguments take ${body.length} bytes; at most ${MAX_JOINED - 1} reach the guest.`);
    }
    return encodeJoined(kind, this.id, lead, body);
  }

  #end(how: NovaError | 'succeeded', late: LateListener | undefined): void {
    this.#failure = how;
    this.#session.forget(this.id, late);
    this.#session.outbox.withdraw(this);
    // Most streams end while nobody waits, so errors are made only where needed: each captures a stack.
    for (const { settle } of this.#urgent.splice(0)) settle?.reject(this.#closedError());
    for (const { settle } of this.#pending.splice(0)) settle.reject(this.#closedError());
  }

  #closedError(): NovaError {
    return this.#failure instanceof Error ? this.#failure : endedError(this.context);
  }
}
