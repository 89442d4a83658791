import { Duplex } from 'node:stream';
import type { NovaError } from '@novasandbox/protocol';
import type { CallOptions, GuestAgent } from '../ports/guest-agent.ts';
import { ByteQueue } from './byte-queue.ts';
import { DEFAULT_TIMEOUT_MS, Limits, openLimited } from './call.ts';
import { cancelled, endedError, invalidArgument, protocolError } from './errors.ts';
import { channels, messages, methods, tags } from './numbers.ts';
import { RecordWriter } from './record.ts';
import type { Session } from './session.ts';
import type { Stream } from './stream.ts';
import type { StreamHandler } from './stream-handler.ts';

const MAX_PORT = 65_535;
/** How long the guest may still take for a connection that both sides have finished, in ms. */
const LINGER_MS = 30_000;

/**
 * Connects to a TCP port of the guest (`address` defaults to its loopback; `unix:/path` is a Unix socket) and resolves
 * to the connection once it is established. Each direction ends separately: the program in the guest sees `end()`, and
 * vice versa. The time limit (default 30 s) is that of the connecting; the signal destroys the connection at any time.
 * The connection is destroyed with an error when the session is lost. Rejects with `connection_refused`.
 */
export async function openTunnel(
  session: Session,
  target: Parameters<GuestAgent['tunnel']>[0],
  options?: CallOptions,
): Promise<Duplex> {
  if (!Number.isInteger(target.port) || target.port < 0 || target.port > MAX_PORT) {
    throw invalidArgument(`${target.port} is no port.`);
  }
  const args = new RecordWriter().string(tags.tunnel.address, target.address).integer(tags.tunnel.port, target.port);
  const connected = Promise.withResolvers<void>();
  const limits = new Limits(options, DEFAULT_TIMEOUT_MS, (error) => stream.abandon(error));
  let tunnel: Tunnel | null = null;
  const handler: StreamHandler = {
    message: (type) => {
      if (type !== messages.connected || tunnel !== null) return;
      tunnel = new Tunnel(stream);
      limits.settled();
      connected.resolve();
    },
    data: (channel, bytes) => {
      if (tunnel === null) throw protocolError('bytes of a connection before it stands');
      tunnel.arrived(channel, bytes);
    },
    finish: () => tunnel?.finished(),
    result: () => {
      if (tunnel === null) throw protocolError('a connection ended before it stood');
      limits.release();
      tunnel.ended();
    },
    failed: (error) => {
      limits.release();
      if (tunnel === null) connected.reject(error);
      else tunnel.failed(error);
    },
  };
  const stream = openLimited(limits, () => session.open(methods.tunnel, args, 'tunnel', handler));
  await connected.promise;
  if (tunnel === null) throw endedError('tunnel');
  return tunnel;
}

class Tunnel extends Duplex {
  readonly #stream: Stream;
  readonly #queue = new ByteQueue();
  #wanted = false;
  #finished = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Stream) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    // The guest can end a connection at any time, which must not be an uncaught error where nobody listens for one.
    this.on('error', () => {});
  }

  arrived(channel: number, bytes: Buffer): void {
    if (this.#finished) throw protocolError('bytes of a connection after their end');
    this.#queue.push(channel, bytes);
    this.#flow();
  }

  /** Notes that the guest sends no more bytes after those in the queue. */
  finished(): void {
    this.#finished = true;
    this.#flow();
  }

  /** Notes that the guest has closed the stream. */
  ended(): void {
    clearTimeout(this.#timer);
    this.finished();
  }

  failed(error: NovaError): void {
    clearTimeout(this.#timer);
    this.destroy(error);
  }

  override _read(): void {
    this.#wanted = true;
    this.#flow();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, settle: (error?: Error | null) => void): void {
    const sent = this.#stream.send(channels.content, chunk);
    if (sent === undefined) settle();
    else sent.then(() => settle(), settle);
  }

  /** Small writes that have gathered leave as one. */
  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'utf8', callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#stream.finish();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#queue.clear();
    if (error === null && this.writableFinished && this.readableEnded) this.#linger();
    else this.#stream.abandon(cancelled());
    callback(error);
  }

  /**
   * Waits for the guest, which may still be handing on the last bytes after both sides have finished; a cancellation
   * would throw them away. The guest answers when it is done; the wait has a limit.
   */
  #linger(): void {
    if (this.#stream.closed) return;
    this.#timer = setTimeout(() => this.#stream.abandon(cancelled()), LINGER_MS);
    this.#timer.unref();
  }

  #flow(): void {
    if (this.destroyed) return;
    try {
      while (this.#wanted) {
        const item = this.#queue.shift();
        if (item === undefined) {
          if (this.#finished) {
            this.#wanted = false;
            this.push(null);
          }
          return;
        }
        this.#stream.consumed(item.bytes.length);
        // A listener may read again during the push; that request must not be overwritten.
        this.#wanted = false;
        if (this.push(item.bytes)) this.#wanted = true;
      }
    } catch (error) {
      // A listener of the caller has thrown: its connection ends, but not the session.
      this.destroy(error as NovaError);
    }
  }
}
