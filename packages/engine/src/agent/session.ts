import type { Duplex } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';
import { agentError } from './agent-error.ts';
import { protocolError, sessionEnded, type ErrorContext } from './errors.ts';
import { FrameDecoder, MAX_STREAMS, PartJoiner } from './frame.ts';
import { Outbox } from './outbox.ts';
import { Fields, type RecordWriter } from './record.ts';
import { Stream } from './stream.ts';
import type { LateListener, StreamHandler, StreamHost } from './stream-handler.ts';
import { frameKinds } from './numbers.ts';

/** Maximum number of streams for tunnels, so that visitors of a port leave the rest for commands and files. */
const MAX_TUNNELS = MAX_STREAMS / 2;
const MAX_STREAM_ID = 0xffff_ffff;
/** How long `close` waits for the guest to read the queued frames, in ms. */
const CLOSE_MS = 2000;
/** Maximum number of cancelled streams whose next MESSAGE is still handled. */
const MAX_LATE = 1024;

/**
 * One session. It cuts the arriving bytes into frames, hands them to their streams, and ends at the first frame that
 * breaks the rules.
 */
export class Session implements StreamHost {
  /** Settles when the session has ended: with null after `close`, otherwise with the reason. Never rejects. */
  readonly closed: Promise<NovaError | null>;
  readonly outbox: Outbox;
  readonly #duplex: Duplex;
  readonly #decoder: FrameDecoder;
  readonly #parts = new PartJoiner();
  readonly #streams = new Map<number, Stream>();
  readonly #late = new Map<number, LateListener>();
  readonly #settleClosed: (reason: NovaError | null) => void;
  #nextId = 1;
  #startAnsweredAt = -Infinity;
  #ended = false;
  #reason: NovaError | null = null;
  #closing = false;

  /** Takes over a Duplex after the handshake; `rest` holds the bytes that have already arrived after it. */
  constructor(duplex: Duplex, rest: Buffer) {
    const { promise, resolve } = Promise.withResolvers<NovaError | null>();
    this.closed = promise;
    this.#settleClosed = resolve;
    this.#duplex = duplex;
    this.outbox = new Outbox(duplex);
    this.#decoder = new FrameDecoder((kind, id, payload) => this.#onFrame(kind, id, payload));
    const lost = (cause?: unknown): void => this.#lose(this.#closing ? null : sessionLost(cause));
    duplex.on('error', lost);
    duplex.on('end', lost);
    duplex.on('close', lost);
    duplex.on('data', (chunk: Buffer) => this.#onChunk(chunk));
    if (duplex.destroyed || duplex.readableEnded) lost();
    else {
      this.#onChunk(rest);
      duplex.resume();
    }
  }

  /**
   * Opens a stream and sends the request. Throws `guest_unreachable` when the session has ended, `channel_busy` at
   * the limit of streams, and `invalid_argument` for arguments that are too long.
   */
  open(method: number, args: RecordWriter, context: ErrorContext, handler: StreamHandler): Stream {
    if (this.#ended || this.#closing) throw sessionEnded(this.#reason);
    if (context === 'tunnel' && this.#streams.size >= MAX_TUNNELS && this.#tunnels() >= MAX_TUNNELS) {
      throw new NovaError('channel_busy', `${MAX_TUNNELS} connections to ports of the guest are open.`, {
        hint: 'Close connections that are no longer used.',
      });
    }
    if (this.#streams.size >= MAX_STREAMS) {
      throw new NovaError('channel_busy', `${MAX_STREAMS} calls to the guest are under way.`, {
        hint: 'Wait for calls to end, or close streams that are no longer read.',
      });
    }
    if (this.#nextId > MAX_STREAM_ID) throw new NovaError('guest_unreachable', 'The session has used up its streams.');
    const stream = new Stream(this, this.#nextId, context, handler);
    const request = stream.encodeRequest(method, args);
    this.#nextId += 2;
    this.#streams.set(stream.id, stream);
    stream.start(request);
    return stream;
  }

  /** When the guest last answered the start of any command, with success or with an error. */
  get startAnsweredAt(): number {
    return this.#startAnsweredAt;
  }

  /** Forgets a stream that is over on this side; `late` is called with a message that was still on its way. */
  forget(id: number, late: LateListener | undefined): void {
    this.#streams.delete(id);
    if (late === undefined) return;
    this.#late.set(id, late);
    if (this.#late.size > MAX_LATE) {
      for (const oldest of this.#late.keys()) {
        this.#late.delete(oldest);
        break;
      }
    }
  }

  /** Ends the session at a frame boundary: every pending call fails, and all queued frames are sent. Idempotent. */
  async close(): Promise<void> {
    if (!this.#closing && !this.#ended) {
      this.#closing = true;
      for (const stream of this.#streams.values()) stream.abandon(sessionEnded(null));
      const stuck = new NovaError('guest_unreachable', `The guest has not read its channel for ${CLOSE_MS} ms.`);
      const timer = setTimeout(() => this.#lose(stuck), CLOSE_MS);
      this.outbox.whenEmpty(() => this.#duplex.end(() => this.#lose(null)));
      const clear = (): void => clearTimeout(timer);
      this.closed.then(clear, clear);
    }
    await this.closed;
  }

  /** Counts the open tunnels; those that have closed are no longer among the streams. */
  #tunnels(): number {
    let count = 0;
    for (const { context } of this.#streams.values()) if (context === 'tunnel') count += 1;
    return count;
  }

  #onChunk(chunk: Buffer): void {
    if (this.#ended) return;
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#lose(error instanceof NovaError ? error : new NovaError('internal', String(error), { cause: error }));
    }
  }

  #onFrame(kind: number, id: number, part: Buffer): void {
    if (this.#ended) return;
    const payload = this.#parts.join(kind, id, part);
    if (payload === null) return;
    const stream = this.#streams.get(id);
    if (stream?.context === 'exec' && kind !== frameKinds.data) this.#startAnsweredAt = performance.now();
    switch (kind) {
      case frameKinds.data:
        if (payload.length === 0) throw protocolError('DATA without a channel');
        stream?.receive(payload[0] ?? 0, payload.subarray(1));
        break;
      case frameKinds.message:
        this.#onMessage(id, stream, payload);
        break;
      case frameKinds.credit:
        if (payload.length !== 4) throw protocolError('CREDIT of the wrong length');
        stream?.addCredit(payload.readUInt32LE(0));
        break;
      case frameKinds.finish:
        if (payload.length !== 0) throw protocolError('FINISH with a payload');
        stream?.handler.finish?.();
        break;
      case frameKinds.result:
        this.#late.delete(id);
        stream?.succeed(new Fields(payload));
        break;
      case frameKinds.error:
        this.#late.delete(id);
        stream?.fail(agentError(new Fields(payload), stream.context));
        break;
      default:
        throw protocolError(`a frame of kind ${kind}`);
    }
  }

  #onMessage(id: number, stream: Stream | undefined, payload: Buffer): void {
    if (payload.length === 0) throw protocolError('MESSAGE without a type');
    const late = this.#late.get(id);
    if (stream === undefined && late === undefined) return;
    const type = payload[0] ?? 0;
    const fields = new Fields(payload.subarray(1));
    if (stream !== undefined) stream.handler.message?.(type, fields);
    else {
      this.#late.delete(id);
      late?.(type, fields);
    }
  }

  /** Ends the session, once: it sends and receives nothing any more, and every pending call fails. */
  #lose(reason: NovaError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reason = reason;
    this.outbox.close();
    this.#duplex.destroy();
    this.#late.clear();
    for (const stream of this.#streams.values()) stream.fail(sessionEnded(this.#reason));
    this.#settleClosed(this.#reason);
  }
}

function sessionLost(cause: unknown): NovaError {
  const options = cause instanceof Error ? { cause } : {};
  return new NovaError('guest_unreachable', 'The channel to the guest was closed by the other side.', options);
}
