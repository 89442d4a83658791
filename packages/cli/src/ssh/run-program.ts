import type { Writable } from 'node:stream';
import type { AttachedProcess } from '@novasandbox/engine';
import { isNovaError, signalName, type Exit } from '@novasandbox/protocol';
import { printable } from '@novasandbox/protocol/visible';
import type { Channel, WindowSize } from 'ssh2';
import { endProcess } from '../process/end-process.ts';
import type { Guest } from './guest.ts';

const sighup = 1;
/** The status with which SSH servers report that they, and not the program, have failed. */
const failed = 255;
/** The signals that the protocol has names for (RFC 4254, 6.10). */
const named = /^SIG(ABRT|ALRM|FPE|HUP|ILL|INT|KILL|PIPE|QUIT|SEGV|TERM|USR1|USR2)$/;

export interface Program {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The size of its terminal, where the client asked for one. */
  readonly pty: WindowSize | undefined;
  readonly accept: () => Channel;
  readonly begun: (attached: AttachedProcess) => void;
}

/** Runs a program with a client's channel as its input and output. If the client goes first, the program is ended. */
export async function runProgram(guest: Guest, program: Program): Promise<void> {
  const { engine, sandboxId, user, gone } = guest;
  const channel = program.accept();
  channel.on('error', () => undefined);
  channel.stderr.on('error', () => undefined);
  try {
    const { argv, env, pty } = program;
    const starting = new AbortController();
    const giveUp = (): void => starting.abort();
    gone.addEventListener('abort', giveUp, { once: true });
    if (gone.aborted) giveUp();
    const request = { argv, env, user, pty, stdin: true };
    const attached = await engine.exec.start(sandboxId, request, { signal: starting.signal });
    // From now on the program is ended by signals, for which it has to stay attached.
    gone.removeEventListener('abort', giveUp);
    program.begun(attached);
    report(channel, await joined(attached, channel, gone));
  } catch (error) {
    if (gone.aborted) return;
    const text = error instanceof Error ? error.message : String(error);
    const hint = isNovaError(error) ? `\r\n  -> ${error.hint}` : '';
    channel.stderr.write(`nova: ${printable(text)}${hint}\r\n`);
    channel.exit(failed);
  } finally {
    channel.end();
  }
}

/** Passes the input and the output on until the program has ended; null where the client went first. */
async function joined(attached: AttachedProcess, channel: Channel, gone: AbortSignal): Promise<Exit | null> {
  attached.exit.catch(() => undefined);
  const left = new Promise<null>((resolve) => {
    gone.addEventListener('abort', () => resolve(null), { once: true });
    if (gone.aborted) resolve(null);
  });
  pumpInput(channel, attached);
  const ended = passOutput(attached, channel, left).then(() => attached.exit);
  ended.catch(() => undefined);
  const end = await Promise.race([ended, left]);
  if (end === null) await endProcess(attached, sighup);
  return end;
}

/** Reads until the output ends, also when nobody takes it any more: the end of the program comes after it. */
async function passOutput(attached: AttachedProcess, channel: Channel, left: Promise<null>): Promise<void> {
  let isLeft = false;
  left.then(() => (isLeft = true)).catch(() => undefined);
  for await (const { channel: kind, bytes } of attached.output) {
    // One write at a time: ssh2 may forget the second of two streams that wait for the client's window.
    if (!isLeft) await Promise.race([written(kind === 'stderr' ? channel.stderr : channel, bytes), left]);
  }
}

function written(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => stream.write(bytes, () => resolve()));
}

/** Passes the client's input on as fast as the program reads it. Where that fails, the program's end tells why. */
function pumpInput(channel: Channel, attached: AttachedProcess): void {
  channel.on('data', (bytes: Buffer) => {
    channel.pause();
    attached.writeStdin(bytes).then(
      () => channel.resume(),
      () => undefined,
    );
  });
  channel.on('end', () => void attached.closeStdin().catch(() => undefined));
}

function report(channel: Channel, end: Exit | null): void {
  if (end === null) return;
  const name = end.signal === null ? undefined : named.exec(signalName(end.signal))?.[1];
  if (name === undefined) channel.exit(end.exitCode);
  else channel.exit(name, false, '');
}
