import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { isAlive, type ProcessIdentity } from '../../vmm/process-identity.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';
import { inBackground } from '../../ports/background.ts';

/** A guest that is booting refuses connections; this is the time until the next attempt, ms. */
const againMs = 5;
/** How long a guest may refuse altogether, ms: a cold boot on a slow host. Callers with less patience abort. */
const patienceMs = 60_000;
/** Before the guest's first byte the host sends only a handshake; more than this many bytes are not kept. */
const maxUnheardBytes = 64 << 10;

/**
 * Opens a stream to the agent through vfkit's socket. vfkit accepts a connection before it connects to the guest, and
 * closes it silently when the guest, still booting, refuses. So until the guest has sent something, a connection that
 * closes is made anew, and the host's bytes are sent again. Rejects with `guest_unreachable` when the VMM has ended,
 * `cancelled` on abort.
 */
export async function connectChannel(path: string, vmm: ProcessIdentity, signal?: AbortSignal): Promise<Duplex> {
  return new PatientChannel(path, vmm, await reachSocket(path, vmm, performance.now() + patienceMs, signal));
}

/** vfkit opens the socket once the machine runs. */
async function reachSocket(path: string, vmm: ProcessIdentity, end: number, signal?: AbortSignal): Promise<Socket> {
  for (;;) {
    throwIfAborted(signal, 'before connecting to the guest');
    try {
      return await connectUnixSocket(path, signal);
    } catch (error) {
      if (!isNovaError(error, 'guest_unreachable') || !isAlive(vmm) || performance.now() > end) throw error;
    }
    await delay(againMs);
  }
}

class PatientChannel extends Duplex {
  readonly #path: string;
  readonly #vmm: ProcessIdentity;
  readonly #end = performance.now() + patienceMs;
  readonly #closed = new AbortController();
  #socket: Socket;
  /** Bytes that may have to be sent again; null once the guest has sent something. */
  #unheard: Buffer[] | null = [];

  constructor(path: string, vmm: ProcessIdentity, socket: Socket) {
    super({ allowHalfOpen: false });
    this.#path = path;
    this.#vmm = vmm;
    this.#socket = socket;
    this.#adopt(socket);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#unheard === null) {
      this.#socket.write(chunk, done);
      return;
    }
    this.#unheard.push(chunk);
    if (this.#unheard.reduce((sum, { length }) => sum + length, 0) > maxUnheardBytes)
      return done(new NovaError('guest_unreachable', 'The guest says nothing, whatever it is told.'));
    this.#socket.write(chunk);
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#closed.abort();
    this.#socket.destroy();
    done(error);
  }

  #adopt(socket: Socket): void {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#unheard = null;
      if (!this.push(chunk)) socket.pause();
    });
    // Every error also closes the socket, which is handled below.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (this.destroyed) return;
      if (this.#unheard === null) this.push(null);
      else inBackground('reaching a guest again', () => this.#again());
    });
    for (const chunk of this.#unheard ?? []) socket.write(chunk);
  }

  async #again(): Promise<void> {
    try {
      await delay(againMs, undefined, { signal: this.#closed.signal });
      if (!isAlive(this.#vmm) || performance.now() > this.#end)
        throw new NovaError('guest_unreachable', 'The guest takes no connection.');
      this.#adopt(await reachSocket(this.#path, this.#vmm, this.#end, this.#closed.signal));
    } catch (error) {
      if (!this.destroyed) this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
