import { setTimeout as delay } from 'node:timers/promises';
import type { AttachedProcess } from '@novasandbox/engine';
import type { Services } from '../context.ts';
import { exitWireOf, isNovaError, NovaError, parse, toNovaError } from '@novasandbox/protocol';
import { execClientMessageSchema, outputChannelBytes, restartMs } from '@novasandbox/protocol/api';
import type * as z from 'zod';
import { parseJson } from '../bodies/json-meter.ts';
import { requestOf } from '../vms/guest.ts';
import { whileStarting } from '../vms/while-starting.ts';
import type { Message, MessageSocket } from './message-socket.ts';

/** How long the last messages of a disconnected client may wait for a process that does not read. */
const lastWordsMs = 5000;

type ClientMessage = z.output<typeof execClientMessageSchema>;

/**
 * Runs a command with input and output. The command ends shortly after its client disconnects without detaching.
 */
export async function execSocket(
  engine: Services,
  ref: string,
  socket: MessageSocket,
  leaving: AbortSignal,
): Promise<void> {
  const messages = socket.messages[Symbol.asyncIterator]();
  const first = await messages.next();
  if (first.done === true) return;
  const process = await whileStarting(socket.signal, (starting) =>
    open(engine, ref, clientMessage(first.value), starting),
  );
  await converse(process, messages, socket, leaving);
}

async function open(
  engine: Services,
  ref: string,
  message: ClientMessage,
  signal: AbortSignal,
): Promise<AttachedProcess> {
  if (message.type === 'start') {
    const request = { ...requestOf(message), pty: message.pty, retainBytes: message.retain_bytes };
    return engine.exec.start(ref, request, { signal });
  }
  if (message.type === 'attach') {
    const from = { stdout: message.stdout_offset, stderr: message.stderr_offset, stdin: message.stdin };
    return engine.exec.attach(ref, message.process_id, from, { signal });
  }
  throw new NovaError('invalid_argument', 'type: the first message must be start or attach.');
}

async function converse(
  process: AttachedProcess,
  messages: AsyncIterator<Message>,
  socket: MessageSocket,
  leaving: AbortSignal,
): Promise<void> {
  // The last messages of a client still count: a signal, the end of its input, or a detach.
  const saidAll = Promise.withResolvers<void>();
  const left = (): Promise<void> =>
    Promise.race([saidAll.promise, delay(lastWordsMs, undefined, { ref: false })])
      .then(() => process.leave(leaving.aborted ? restartMs : undefined))
      .catch(() => undefined);
  const leave = (): void => void left();
  socket.signal.addEventListener('abort', leave, { once: true });
  leaving.addEventListener('abort', leave, { once: true });
  if (socket.signal.aborted || leaving.aborted) leave();
  try {
    await socket.sendText({
      type: 'started',
      process_id: process.execId,
      pid: process.pid,
      stdout_offset: process.stdoutOffset,
      stderr_offset: process.stderrOffset,
    });
    const failed = Promise.withResolvers<never>();
    void takeInput(process, messages).catch(failed.reject).finally(saidAll.resolve);
    await Promise.race([giveOutput(process, socket, leaving), failed.promise]);
    if (leaving.aborted) await left();
  } finally {
    socket.signal.removeEventListener('abort', leave);
    leaving.removeEventListener('abort', leave);
    await process.leave(leaving.aborted ? restartMs : undefined).catch(() => undefined);
  }
}

/** Reads only output that the client can receive: unread output stays in the guest until the client comes back. */
async function giveOutput(process: AttachedProcess, socket: MessageSocket, leaving: AbortSignal): Promise<void> {
  const output = process.output[Symbol.asyncIterator]();
  for (;;) {
    if (leaving.aborted) return;
    const step = await output.next();
    if (step.done === true) break;
    if (!leaving.aborted) await socket.sendBytes(step.value.bytes, outputChannelBytes[step.value.channel]);
  }
  if (socket.signal.aborted || leaving.aborted) return;
  const exit = await process.exit.catch((error: unknown) => {
    // The client has detached and is disconnecting.
    if (isNovaError(error, 'cancelled')) return null;
    throw error;
  });
  if (exit === null) return;
  await socket.sendText({ type: 'exit', ...exitWireOf(exit) });
}

async function takeInput(process: AttachedProcess, messages: AsyncIterator<Message>): Promise<void> {
  for (;;) {
    const step = await messages.next();
    if (step.done === true) return;
    try {
      if ('bytes' in step.value) await process.writeStdin(step.value.bytes);
      else await control(process, clientMessage(step.value));
    } catch (error) {
      // A process that has ended or closed its input takes no more input. Its end is reported by its exit.
      if (error instanceof NovaError && error.code === 'invalid_argument') throw error;
    }
  }
}

async function control(process: AttachedProcess, message: ClientMessage): Promise<void> {
  switch (message.type) {
    case 'signal':
      return process.signal(message.signal);
    case 'resize':
      return process.resize(message);
    case 'close_stdin':
      return process.closeStdin();
    case 'detach':
      return process.detach();
    case 'start':
    case 'attach':
      throw new NovaError('invalid_argument', `type: ${message.type} is allowed only as the first message.`);
  }
}

export function clientMessage(message: Message): ClientMessage {
  if ('bytes' in message) throw new NovaError('invalid_argument', 'The first message must be text.');
  let value: unknown;
  try {
    value = parseJson(message.text);
  } catch (error) {
    throw new NovaError('invalid_argument', `message: ${toNovaError(error).message}`);
  }
  return parse(execClientMessageSchema, value, 'message');
}
