import type { AttachedProcess, OutputChunk } from '@novasandbox/engine/services';
import { NovaError, type Exit } from '@novasandbox/protocol';
import {
  execServerMessageSchema,
  outputChannelBytes,
  type ExecClientMessage,
  type ExecServerMessage,
} from '@novasandbox/protocol/api';
import { RemoteInbox } from './inbox.ts';
import { cancelled, errorOfWire } from './remote-error.ts';
import type { RemoteSocket, SocketListener } from './socket.ts';
import { withResolvers } from '../with-resolvers.ts';

const channels = new Map(
  Object.entries(outputChannelBytes).map(([channel, byte]) => [byte as number, channel as OutputChunk['channel']]),
);
const sigkill = 9;

/** A process of a guest, attached to over a WebSocket of the daemon. */
export class RemoteProcess implements AttachedProcess, SocketListener {
  execId = 0;
  pid = 0;
  stdoutOffset = 0;
  stderrOffset = 0;
  readonly output: RemoteInbox<OutputChunk>;
  readonly exit: Promise<Exit>;
  /** Resolves when the daemon has said that it runs. */
  readonly started: Promise<void>;
  readonly #socket: RemoteSocket;
  readonly #writable: boolean;
  readonly #started = withResolvers<void>();
  readonly #exit = withResolvers<Exit>();
  #inputClosed = false;
  #ended = false;
  #left = false;

  constructor(socket: RemoteSocket, writable: boolean) {
    this.#socket = socket;
    this.#writable = writable;
    this.started = this.#started.promise;
    this.exit = this.#exit.promise;
    // Whoever does not look at them is not made to.
    this.started.catch(() => undefined);
    this.exit.catch(() => undefined);
    this.output = new RemoteInbox<OutputChunk>({
      sizeOf: ({ bytes }) => bytes.length,
      pause: () => socket.pause(),
      resume: () => socket.resume(),
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
    if (this.#ended) throw new NovaError('process_not_found', 'The process has ended.');
    await this.#socket.sendBytes(bytes);
  }

  async closeStdin(): Promise<void> {
    if (!this.#writable || this.#inputClosed) return;
    this.#inputClosed = true;
    this.#say({ type: 'close_stdin' });
  }

  async resize({ cols, rows }: { readonly cols: number; readonly rows: number }): Promise<void> {
    this.#say({ type: 'resize', cols, rows });
  }

  async signal(signal: number): Promise<void> {
    if (!Number.isInteger(signal) || signal < 1 || signal > 64) {
      throw new NovaError('invalid_argument', `${signal} is no signal.`);
    }
    this.#say({ type: 'signal', signal });
  }

  async detach(): Promise<void> {
    await this.output.return();
    await this.#socket.close();
  }

  /** Without a word: the daemon takes the client for one that has vanished. How long the process is kept then is the daemon's to say. */
  async leave(): Promise<void> {
    this.#left = true;
    await this.detach();
  }

  /** The engine is closed: a client that says goodbye leaves its processes running. */
  goodbye(): void {
    this.#letGo();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  /** The caller gave up before the process was seen to run. It may run by now: the daemon is told to kill it first. */
  abandonStart(signal: AbortSignal | undefined): void {
    this.#started.reject(cancelled(signal));
    this.#say({ type: 'signal', signal: sigkill });
    void this.leave();
  }

  message(value: unknown): void {
    const message: ExecServerMessage = execServerMessageSchema.parse(value);
    switch (message.type) {
      case 'started':
        this.execId = message.process_id;
        this.pid = message.pid;
        this.stdoutOffset = message.stdout_offset;
        this.stderrOffset = message.stderr_offset;
        return this.#started.resolve();
      case 'exit':
        this.#ended = true;
        this.#exit.resolve(exitOf(message));
        return this.output.end(null);
      case 'error':
        return this.#fail(errorOfWire(message));
    }
  }

  bytes(bytes: Buffer): void {
    const channel = channels.get(bytes[0] ?? 0);
    if (channel !== undefined) this.output.push({ channel, bytes: bytes.subarray(1) });
  }

  over(error: NovaError | null): void {
    if (this.#left) return this.#fail(cancelled(undefined));
    if (!this.#ended) this.#fail(error ?? new NovaError('server_unreachable', 'The daemon let go of the process.'));
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

  /** The process is to go on without us. One that has not been seen to start is not let go of: nobody would know of it. */
  #letGo(): void {
    if (this.#left || this.pid === 0) return;
    this.#left = true;
    this.#say({ type: 'detach' });
  }

  #say(message: ExecClientMessage): void {
    if (!this.#ended) this.#socket.send(message);
  }
}

function exitOf(message: Extract<ExecServerMessage, { readonly type: 'exit' }>): Exit {
  return {
    exitCode: message.exit_code,
    signal: message.signal,
    timedOut: message.timed_out,
    oomKilled: message.oom_killed,
    stdoutBytes: message.stdout_bytes,
    stderrBytes: message.stderr_bytes,
    userUs: message.user_us,
    systemUs: message.system_us,
    maxRssKb: message.max_rss_kb,
    wallUs: message.wall_us,
  };
}
