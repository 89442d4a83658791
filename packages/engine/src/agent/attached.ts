import { isNovaError, NovaError, type Exit } from '@novasandbox/protocol';
import type { AttachedProcess, CallOptions, OutputChannel, OutputChunk } from '../ports/guest-agent.ts';
import { ByteQueue } from './byte-queue.ts';
import { ExecLimit } from './exec-limit.ts';
import { DEFAULT_TIMEOUT_MS, Limits, call, openLimited } from './call.ts';
import { cancelled, inputClosed, invalidArgument, outcomeUnknown, protocolError } from './errors.ts';
import { Inbox } from './inbox.ts';
import { channels, messages, methods, tags } from './numbers.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';
import type { Stream } from './stream.ts';
import type { StreamHandler } from './stream-handler.ts';

const MAX_U32 = 0xffff_ffff;
const MAX_SIGNAL = 64;
const SIGKILL = 9;
const outputChannels: Readonly<Record<number, OutputChannel>> = {
  [channels.stdout]: 'stdout',
  [channels.stderr]: 'stderr',
  [channels.pty]: 'pty',
};

/** The content of a STARTED message. */
export interface Started {
  readonly execId: number;
  readonly pid: number;
  readonly stdoutOffset: number;
  readonly stderrOffset: number;
}

/** A process of the guest, and the stream that it is attached to. */
export class Attached implements AttachedProcess, StreamHandler {
  readonly output: Inbox<OutputChunk>;
  readonly exit: Promise<Exit>;
  readonly #session: Session;
  readonly #writable: boolean;
  readonly #starts: boolean;
  readonly #queue = new ByteQueue();
  readonly #exit = Promise.withResolvers<Exit>();
  readonly #started = Promise.withResolvers<this>();
  #stream: Stream | null = null;
  readonly #limitMs: number;
  #limits: Limits | null = null;
  #execLimit: ExecLimit | null = null;
  #ids: Started | null = null;
  #inputClosed = false;

  /**
   * `starts` is true for a new process, which an abort before STARTED has to kill. `limitMs` is its time limit; 0
   * means none.
   */
  constructor(session: Session, writable: boolean, starts: boolean, limitMs = 0) {
    this.#limitMs = limitMs;
    this.#session = session;
    this.#writable = writable;
    this.#starts = starts;
    this.exit = this.#exit.promise;
    // Avoid an unhandled rejection when nobody awaits the exit.
    this.exit.catch(() => {});
    this.output = new Inbox(
      () => this.#take(),
      () => this.#leave(cancelled()),
    );
  }

  get execId(): number {
    return this.#ids?.execId ?? 0;
  }

  get pid(): number {
    return this.#ids?.pid ?? 0;
  }

  get stdoutOffset(): number {
    return this.#ids?.stdoutOffset ?? 0;
  }

  get stderrOffset(): number {
    return this.#ids?.stderrOffset ?? 0;
  }

  start(method: number, args: RecordWriter, options: CallOptions | undefined): Promise<this> {
    const heardAt = this.#starts ? () => this.#session.startAnsweredAt : undefined;
    const limits = new Limits(options, DEFAULT_TIMEOUT_MS, (error) => this.#leave(error), heardAt);
    this.#limits = limits;
    const context = this.#starts ? 'exec' : 'process';
    this.#stream = openLimited(limits, () => this.#session.open(method, args, context, this));
    return this.#started.promise;
  }

  async writeStdin(bytes: Uint8Array): Promise<void> {
    if (!this.#writable) {
      throw new NovaError('invalid_state', 'The process has no input here.', {
        hint: 'Start it with stdin, or attach with stdin.',
      });
    }
    if (this.#inputClosed) throw inputClosed();
    await this.#stream?.send(channels.input, bytes);
  }

  async closeStdin(): Promise<void> {
    if (!this.#writable || this.#inputClosed) return;
    this.#inputClosed = true;
    this.#stream?.finish();
  }

  async resize(size: { readonly cols: number; readonly rows: number }): Promise<void> {
    const fields = ptyRecord(size);
    // The size of a window can change just when the process ends; that is no error.
    if (this.#stream?.closed === false) await this.#stream.message(messages.resize, fields);
  }

  async signal(number: number): Promise<void> {
    const fields = new RecordWriter().integer(tags.signalMessage.signal, checkSignal(number));
    await this.#stream?.message(messages.signal, fields);
  }

  async detach(): Promise<void> {
    await this.output.return();
  }

  async leave(waitMs?: number): Promise<void> {
    const fields = new RecordWriter().integer(tags.leave.waitMs, waitMs);
    this.#queue.clear();
    this.#stream?.abandon(cancelled(), { message: { type: messages.leave, fields } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  message(type: number, fields: Fields): void {
    if (type !== messages.started || this.#ids !== null) return;
    this.#ids = parseStarted(fields);
    this.#limits?.settled();
    if (this.#limitMs > 0) {
      const unread = (): boolean => !this.#queue.empty;
      this.#execLimit = new ExecLimit(this.#limitMs, unread, (error) => this.#leave(error));
    }
    this.#started.resolve(this);
  }

  data(channel: number, bytes: Buffer): void {
    if (outputChannels[channel] === undefined) throw protocolError(`output on channel ${channel}`);
    this.#queue.push(channel, bytes);
    this.#execLimit?.heard(bytes.length);
    this.output.wake();
  }

  result(fields: Fields): void {
    if (this.#ids === null) throw protocolError('a process ended before it started');
    this.#exit.resolve(parseExit(fields));
    this.#release();
    this.output.end(null);
  }

  failed(error: NovaError): void {
    this.#release();
    const reason = this.#starts && this.#ids === null ? startFailure(this.#stream, error) : error;
    this.#started.reject(reason);
    this.#exit.reject(reason);
    if (error.code === 'cancelled') {
      this.output.discard();
      this.#queue.clear();
    }
    this.output.end(error);
  }

  #take(): OutputChunk | undefined {
    const item = this.#queue.shift();
    if (item === undefined) return undefined;
    this.#stream?.consumed(item.bytes.length);
    if (this.#queue.empty) this.#execLimit?.read();
    return { channel: outputChannels[item.channel] ?? 'stdout', bytes: item.bytes };
  }

  #release(): void {
    this.#limits?.release();
    this.#execLimit?.release();
  }

  #leave(error: NovaError): void {
    this.#queue.clear();
    if (this.#stream === null) return;
    if (this.#starts && this.#ids === null) abandonStart(this.#session, this.#stream, error);
    else this.#stream.abandon(error);
  }
}

/**
 * Gives up on a process that has not been seen to start. The signal kills it if the guest has started it by the time
 * it reads the signal. If not, its STARTED message is still to come, and the process is killed by its id then.
 */
export function abandonStart(session: Session, stream: Stream, error: NovaError): void {
  const late = (type: number, fields: Fields): void => {
    if (type !== messages.started) return;
    const args = signalArguments(parseStarted(fields).execId, SIGKILL);
    call(session, methods.signal, args, 'process', () => {}).catch(() => {});
  };
  const message = { type: messages.signal, fields: new RecordWriter().integer(tags.signalMessage.signal, SIGKILL) };
  stream.abandon(error, { message, late });
}

/** Chooses the error of a failed start. When the request was sent but not answered, the process may have run. */
export function startFailure(stream: Stream | null, error: NovaError): NovaError {
  return stream?.sent === true && isNovaError(error, 'guest_unreachable') ? outcomeUnknown(error) : error;
}

/** Builds the arguments of the method that signals a process by its id. */
export function signalArguments(execId: number, number: number): RecordWriter {
  return new RecordWriter().integer(tags.signal.execId, execId).integer(tags.signal.signal, checkSignal(number));
}

export function ptyRecord({ cols, rows }: { readonly cols: number; readonly rows: number }): RecordWriter {
  if (cols > 0xffff || rows > 0xffff) throw invalidArgument(`A terminal of ${cols} by ${rows} is too large.`);
  return new RecordWriter().integer(tags.size.cols, cols).integer(tags.size.rows, rows);
}

function checkSignal(number: number): number {
  if (!Number.isInteger(number) || number < 1 || number > MAX_SIGNAL) throw invalidArgument(`${number} is no signal.`);
  return number;
}

export function parseStarted(fields: Fields): Started {
  return {
    execId: fields.integer(tags.started.execId),
    pid: fields.integerUpTo(tags.started.pid, MAX_U32),
    stdoutOffset: fields.integer(tags.started.stdoutOffset),
    stderrOffset: fields.integer(tags.started.stderrOffset),
  };
}

export function parseExit(fields: Fields): Exit {
  const ended = fields.integerUpTo(tags.exit.signal, MAX_SIGNAL);
  return {
    exitCode: fields.integerUpTo(tags.exit.exitCode, MAX_U32),
    signal: ended === 0 ? null : ended,
    timedOut: fields.flag(tags.exit.timedOut),
    oomKilled: fields.flag(tags.exit.oomKilled),
    stdoutBytes: fields.integer(tags.exit.stdoutBytes),
    stderrBytes: fields.integer(tags.exit.stderrBytes),
    userUs: fields.integer(tags.exit.userUs),
    systemUs: fields.integer(tags.exit.systemUs),
    maxRssKb: fields.integer(tags.exit.maxRssKb),
    wallUs: fields.integer(tags.exit.wallUs),
  };
}
