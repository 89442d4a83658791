import { setTimeout as delay } from 'node:timers/promises';
import type { AttachedProcess, OutputChunk } from '@novasandbox/engine/services';
import { exitOfWire, isNovaError, NovaError, toNovaError, type Exit } from '@novasandbox/protocol';
import {
  execServerMessageSchema,
  outputChannelBytes,
  restartMs,
  type ExecClientMessage,
  type ExecServerMessage,
} from '@novasandbox/protocol/api';
import { RemoteInbox } from './inbox.ts';
import { cancelled, errorOfWire, NoAnswer } from './remote-error.ts';
import type { RemoteSocket, SocketListener } from './socket.ts';
import { withResolvers } from '../with-resolvers.ts';

const channels = new Map(
  Object.entries(outputChannelBytes).map(([channel, byte]) => [byte as number, channel as OutputChunk['channel']]),
);
const sigkill = 9;
const brokenMs = 10_000;
const firstWaitMs = 50;
const longestWaitMs = 1000;

/** Opens the socket again for the process that the message names. */
export type Reopen = (first: ExecClientMessage, listener: SocketListener) => Promise<RemoteSocket>;

/**
 * A process of a guest, attached over a WebSocket of the daemon. When the daemon restarts or the connection breaks, it
 * attaches again at the byte where the output broke off; input waits meanwhile.
 */
export class RemoteProcess implements AttachedProcess, SocketListener {
  execId = 0;
  pid = 0;
  stdoutOffset = 0;
  stderrOffset = 0;
  readonly output: RemoteInbox<OutputChunk>;
  readonly exit: Promise<Exit>;
  /** Resolves when the daemon has reported that the process runs. */
  readonly started: Promise<void>;
  readonly #writable: boolean;
  readonly #reopen: Reopen;
  readonly #started = withResolvers<void>();
  readonly #exit = withResolvers<Exit>();
  /** Bytes received on each channel; a terminal's output counts as stdout. */
  readonly #seen = { stdout: 0, stderr: 0 };
  #socket: RemoteSocket;
  /** Settles when the process is attached again or given up; null while it is attached. */
  #resuming: Promise<void> | null = null;
  /** When to give up if attaching again keeps failing. `#attachedAt` is the time of the last successful attach. */
  #giveUpAt: number | null = null;
  #attachedAt = performance.now();
  #resting = false;
  #inputClosed = false;
  #size: ExecClientMessage | null = null;
  #ended = false;
  #left = false;

  constructor(socket: RemoteSocket, writable: boolean, reopen: Reopen) {
    this.#socket = socket;
    this.#writable = writable;
    this.#reopen = reopen;
    this.started = this.#started.promise;
    this.exit = this.#exit.promise;
    // Avoid unhandled rejections when nobody awaits these.
    this.started.catch(() => undefined);
    this.exit.catch(() => undefined);
    this.output = new RemoteInbox<OutputChunk>({
      sizeOf: ({ bytes }) => bytes.length,
      pause: () => this.#rest(true),
      resume: () => this.#rest(false),
      abandon: () => this.#leave(),
    });
  }

  async writeStdin(bytes: Uint8Array): Promise<void> {
    if (!this.#writable) {
      throw new NovaError('invalid_state', 'The process has no input here.', {
        hint: 'Start it with stdin, or attach with stdin.',
      });
    }
    if (this.#inputClosed) {
      throw new NovaError('invalid_state', 'The input has been closed.', { hint: 'Write before closing it.' });
    }
    for (let sent = 0; ;) {
      if (this.#ended) throw new NovaError('process_not_found', 'The process has ended.');
      sent += await this.#socket.sendBytes(bytes.subarray(sent));
      if (sent === bytes.length) return;
      await this.#attached();
    }
  }

  async closeStdin(): Promise<void> {
    if (!this.#writable || this.#inputClosed) return;
    this.#inputClosed = true;
    await this.#say({ type: 'close_stdin' });
  }

  async resize({ cols, rows }: { readonly cols: number; readonly rows: number }): Promise<void> {
    this.#size = { type: 'resize', cols, rows };
    await this.#say(this.#size);
  }

  async signal(signal: number): Promise<void> {
    if (!Number.isInteger(signal) || signal < 1 || signal > 64) {
      throw new NovaError('invalid_argument', `${signal} is not a signal.`);
    }
    await this.#say({ type: 'signal', signal });
  }

  async detach(): Promise<void> {
    await this.output.return();
    await this.#resuming;
    await this.#socket.close();
  }

  /**
   * Closes the connection without a goodbye, so the daemon treats the client as vanished and decides how long it keeps
   * the process.
   */
  async leave(): Promise<void> {
    this.#left = true;
    await this.detach();
  }

  /** Called when the engine is closed: a client that says goodbye leaves its processes running. */
  goodbye(): void {
    this.#letGo();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  /**
   * The caller gave up before the process was known to run. It may be running by now, so the daemon is asked to kill it
   * first.
   */
  abandonStart(signal: AbortSignal | undefined): void {
    this.#started.reject(cancelled(signal));
    this.#socket.send({ type: 'signal', signal: sigkill });
    void this.leave();
  }

  message(value: unknown): void {
    const message: ExecServerMessage = execServerMessageSchema.parse(value);
    switch (message.type) {
      case 'started':
        return this.#onStarted(message);
      case 'exit':
        this.#ended = true;
        this.#exit.resolve(exitOfWire(message));
        return this.output.end(null);
      case 'error':
        return this.#fail(errorOfWire(message));
    }
  }

  bytes(bytes: Buffer): void {
    const channel = channels.get(bytes[0] ?? 0);
    if (channel === undefined) return;
    this.#giveUpAt = null;
    this.#seen[channel === 'stderr' ? 'stderr' : 'stdout'] += bytes.length - 1;
    this.output.push({ channel, bytes: bytes.subarray(1) });
  }

  over(error: NovaError | null): void {
    if (this.#left) return this.#fail(cancelled(undefined));
    if (this.#ended) return;
    const lost = error ?? new NovaError('server_unreachable', 'The daemon detached from the process.');
    const patienceMs = this.pid === 0 ? 0 : patienceFor(error);
    if (patienceMs === 0) return this.#fail(lost);
    const now = performance.now();
    // A connection that lasted resets the time limit for attaching again.
    if (this.#giveUpAt === null || now - this.#attachedAt > brokenMs) this.#giveUpAt = now + patienceMs;
    this.#resuming ??= this.#resume(lost, this.#giveUpAt).finally(() => (this.#resuming = null));
  }

  #onStarted(message: Extract<ExecServerMessage, { readonly type: 'started' }>): void {
    const { stdout_offset: stdout, stderr_offset: stderr } = message;
    const gone = Math.max(0, stdout - this.#seen.stdout) + Math.max(0, stderr - this.#seen.stderr);
    if (this.pid === 0) {
      this.execId = message.process_id;
      this.pid = message.pid;
      this.stdoutOffset = this.#seen.stdout = stdout;
      this.stderrOffset = this.#seen.stderr = stderr;
    } else if (gone > 0) {
      this.#fail(
        new NovaError('server_unreachable', `The daemon was away for too long: ${gone} bytes of output are lost.`),
      );
    }
    this.#started.resolve();
  }

  /** Tries to attach again until that works or the time limit passes. */
  async #resume(lost: NovaError, giveUpAt: number): Promise<void> {
    for (let waitMs = firstWaitMs; !this.#ended; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
      await delay(waitMs);
      try {
        await this.#attachAgain();
        return;
      } catch (error) {
        if (!isNovaError(error, 'server_unreachable', 'shutting_down')) return this.#fail(toNovaError(error));
      }
      if (performance.now() > giveUpAt) return this.#fail(lost);
    }
  }

  async #attachAgain(): Promise<void> {
    const again = withResolvers<void>();
    const first: ExecClientMessage = {
      type: 'attach',
      process_id: this.execId,
      stdout_offset: this.#seen.stdout,
      stderr_offset: this.#seen.stderr,
      stdin: this.#writable,
    };
    let attached = false;
    const socket = await this.#reopen(first, {
      message: (value) => {
        const message = execServerMessageSchema.parse(value);
        if (!attached && message.type === 'error') return again.reject(errorOfWire(message));
        attached = true;
        this.message(value);
        again.resolve();
      },
      bytes: (bytes) => this.bytes(bytes),
      over: (error) => {
        if (attached) return this.over(error);
        again.reject(error ?? new NovaError('server_unreachable', 'The daemon closed the connection.'));
      },
      goodbye: () => this.goodbye(),
    });
    await again.promise;
    this.#socket = socket;
    this.#attachedAt = performance.now();
    if (this.#resting) socket.pause();
    if (this.#size !== null) socket.send(this.#size);
    if (this.#inputClosed) socket.send({ type: 'close_stdin' });
    if (this.#left) {
      socket.send({ type: 'detach' });
      this.#fail(cancelled(undefined));
      void socket.close();
    }
  }

  /** Resolves when there is an open socket, or when the process has ended. */
  async #attached(): Promise<void> {
    // The end of a socket is reported a little after it stops taking data.
    while (this.#socket.closing && !this.#ended) await (this.#resuming ?? delay(firstWaitMs));
  }

  #rest(rests: boolean): void {
    this.#resting = rests;
    if (rests) this.#socket.pause();
    else this.#socket.resume();
  }

  #fail(error: NovaError): void {
    this.#ended = true;
    this.#started.reject(error);
    this.#exit.reject(error);
    this.output.end(error);
  }

  #leave(): void {
    this.#letGo();
    this.#left = true;
    this.#exit.reject(cancelled(undefined));
    void this.#socket.close();
  }

  /**
   * Lets the process continue without this client. A process that has not been seen to start is not released, because
   * nobody would know of it.
   */
  #letGo(): void {
    if (this.#left || this.pid === 0) return;
    this.#left = true;
    if (!this.#ended) this.#socket.send({ type: 'detach' });
  }

  async #say(message: ExecClientMessage): Promise<void> {
    if (this.pid !== 0) await this.#attached();
    if (!this.#ended) this.#socket.send(message);
  }
}

/** How long to try to reattach after the connection has ended with this error, in ms. */
function patienceFor(error: NovaError | null): number {
  if (error?.code === 'shutting_down') return restartMs;
  return error instanceof NoAnswer ? brokenMs : 0;
}
