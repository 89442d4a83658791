import type { Duplex } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';
import { patience, unanswered } from '../../vmm/patience.ts';

/**
 * QEMU's machine protocol: JSON objects, one on each line; a greeting, then replies with events in between
 * (https://www.qemu.org/docs/master/interop/qmp-spec.html). The peer is our own QEMU, but it may be compromised, so
 * lines are bounded.
 */
export interface QmpClient extends Disposable {
  /**
   * Runs a command. Rejects with `vmm_failed` when QEMU refuses it, when the connection ends first, or when the
   * client's time limit passes. After the time limit all further commands are rejected too, and a late answer is
   * ignored; only `leave` still sends.
   */
  execute<T = unknown>(command: string, args?: Readonly<Record<string, unknown>>): Promise<T>;
  /** Resolves with the next event of that name. Call this before causing the event. */
  event(name: string): Promise<Readonly<Record<string, unknown>>>;
  /**
   * Sends a command without waiting for its answer. QEMU runs it after earlier commands, even when it has not answered
   * for a long time.
   */
  leave(command: string): void;
}

const maxLineBytes = 1 << 20;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * Speaks QMP over a connection, on which QEMU may take `answerMs` for each answer. The handshake goes ahead of the
 * first command.
 */
export function openQmp(socket: Duplex, answerMs: number = patience.answerMs): QmpClient {
  const replies = new Map<number, Waiting>();
  const events = new Map<string, Waiting[]>();
  let nextId = 1;
  let buffered = '';
  let ended: NovaError | null = null;

  const fail = (error: NovaError): void => {
    if (ended !== null) return;
    ended = error;
    for (const waiting of [...replies.values(), ...[...events.values()].flat()]) waiting.reject(error);
    replies.clear();
    events.clear();
  };

  const take = (line: string): void => {
    const message = parseMessage(line);
    if (message === null) return;
    if (typeof message['event'] === 'string') {
      const waiting = events.get(message['event']) ?? [];
      events.delete(message['event']);
      for (const each of waiting) each.resolve(message['data'] ?? {});
      return;
    }
    const waiting = replies.get(Number(message['id']));
    if (waiting === undefined) return;
    replies.delete(Number(message['id']));
    if (message['error'] === undefined) waiting.resolve(message['return']);
    else waiting.reject(new NovaError('vmm_failed', `QEMU refused a command: ${describe(message['error'])}`));
  };

  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    buffered += chunk;
    let start = 0;
    for (let end = buffered.indexOf('\n'); end >= 0; end = buffered.indexOf('\n', start)) {
      take(buffered.slice(start, end));
      start = end + 1;
    }
    buffered = buffered.slice(start);
    if (buffered.length > maxLineBytes) fail(new NovaError('vmm_failed', 'QEMU sent an endless QMP line.'));
  });
  const lost = (): void => fail(new NovaError('vmm_failed', 'QEMU closed its control connection.'));
  socket.on('end', lost).on('close', lost).on('error', lost);

  const send = (id: number, command: string, args?: Readonly<Record<string, unknown>>): void =>
    void socket.write(
      `${JSON.stringify({ execute: command, id, ...(args === undefined ? {} : { arguments: args }) })}\n`,
    );
  const execute = async <T>(command: string, args?: Readonly<Record<string, unknown>>): Promise<T> => {
    if (ended !== null) throw ended;
    const id = nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    replies.set(id, { resolve, reject });
    send(id, command, args);
    const timer = setTimeout(() => fail(unanswered('QEMU', command, answerMs)), answerMs);
    try {
      return (await promise) as T;
    } finally {
      clearTimeout(timer);
    }
  };

  // QEMU reads commands in order, so the handshake need not be waited for: its failure shows in the first command.
  execute('qmp_capabilities').catch(() => undefined);

  return {
    execute,
    event(name) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      if (ended !== null) reject(ended);
      else events.set(name, [...(events.get(name) ?? []), { resolve, reject }]);
      promise.catch(() => undefined);
      return promise as Promise<Readonly<Record<string, unknown>>>;
    },
    leave: (command) => send(nextId++, command),
    [Symbol.dispose]() {
      fail(new NovaError('vmm_failed', 'The control connection was closed.'));
      socket.destroy();
    },
  };
}

function parseMessage(line: string): Record<string, unknown> | null {
  if (line.trim() === '') return null;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function describe(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'desc' in error) return String(error.desc);
  return JSON.stringify(error);
}
