import { Readable } from 'node:stream';
import type { AttachedProcess, OutputReading, OutputReadingEnd } from '@novasandbox/engine';
import { endWireOf, toNovaError, type Exit } from '@novasandbox/protocol';
import { restartMs, type ExecuteEvent } from '@novasandbox/protocol/api';
import { keepaliveMs, within } from './within.ts';
import { restarting } from '../vms/restarting.ts';
import type { StreamAnswer } from './answer.ts';

interface Client {
  readonly accept: string | undefined;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /** Aborts when the daemon is about to end. */
  readonly leaving: AbortSignal;
}

/** The output of a process for a client, and the end of the process. */
interface Streamed extends Pick<
  AttachedProcess,
  'execId' | 'pid' | 'stdoutOffset' | 'stderrOffset' | 'output' | 'leave'
> {
  readonly ended: Promise<OutputReadingEnd>;
}

/**
 * Streams a process to its end, as lines of JSON, or as Server-Sent Events where the client asks for them. The process
 * writes only as fast as the client reads.
 */
export function executionAnswer(process: AttachedProcess, client: Client, stdin?: string): StreamAnswer {
  if (stdin !== undefined) {
    void process
      .writeStdin(Buffer.from(stdin))
      .then(() => process.closeStdin())
      .catch(() => undefined);
  }
  const { execId, pid, stdoutOffset, stderrOffset, output } = process;
  const ended = process.exit.then((exit) => ({ exit, stdoutOffset: exit.stdoutBytes, stderrOffset: exit.stderrBytes }));
  // Avoid an unhandled rejection when nobody awaits it.
  ended.catch(() => undefined);
  const leave = (waitMs?: number): Promise<void> => process.leave(waitMs);
  return answerOf({ execId, pid, stdoutOffset, stderrOffset, output, ended, leave }, client);
}

/** Streams the output that a process has written so far, in the same form. */
export const readingAnswer = (reading: OutputReading, client: Client): StreamAnswer =>
  answerOf({ ...reading, leave: async () => reading[Symbol.asyncDispose]() }, client);

function answerOf(process: Streamed, { accept, signal, leaving }: Client): StreamAnswer {
  const asEvents = accept?.includes('text/event-stream') === true;
  const write = asEvents
    ? (event: ExecuteEvent) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
    : (event: ExecuteEvent) => `${JSON.stringify(event)}\n`;
  return {
    headers: {
      'content-type': asEvents ? 'text/event-stream; charset=utf-8' : 'application/x-ndjson; charset=utf-8',
      'x-accel-buffering': 'no',
    },
    body: Readable.from(lines(process, write, signal, leaving)),
  };
}

async function* lines(
  process: Streamed,
  write: (event: ExecuteEvent) => string,
  signal: AbortSignal,
  leaving: AbortSignal,
): AsyncGenerator<string> {
  const startedAt = performance.now();
  // Also wakes the loop below, which may be waiting for output.
  const leave = (): void => void process.leave(leaving.aborted ? restartMs : undefined).catch(() => undefined);
  if (signal.aborted || leaving.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  leaving.addEventListener('abort', leave, { once: true });
  try {
    yield write({
      type: 'started',
      process_id: process.execId,
      pid: process.pid,
      stdout_offset: process.stdoutOffset,
      stderr_offset: process.stderrOffset,
    });
    const output = process.output[Symbol.asyncIterator]();
    let next = output.next();
    for (;;) {
      const step = await within(next, keepaliveMs);
      if (step === null) {
        yield write({ type: 'keepalive' });
        continue;
      }
      if (step.done === true) break;
      yield write({ type: step.value.channel, data: Buffer.from(step.value.bytes).toString('base64') });
      next = output.next();
    }
    const { exit, stdoutOffset, stderrOffset } = await process.ended;
    yield write(
      exit === null
        ? { type: 'running', stdout_offset: stdoutOffset, stderr_offset: stderrOffset }
        : exitEvent(exit, performance.now() - startedAt),
    );
  } catch (error) {
    const { code, message, hint } = leaving.aborted ? restarting() : toNovaError(error);
    if (!signal.aborted) yield write({ type: 'error', error: { code, message, hint } });
  } finally {
    signal.removeEventListener('abort', leave);
    leaving.removeEventListener('abort', leave);
    leave();
  }
}

const exitEvent = (exit: Exit, durationMs: number): ExecuteEvent => ({
  type: 'exit',
  ...endWireOf(exit),
  duration_ms: Math.round(durationMs * 100) / 100,
});
