import { Readable } from 'node:stream';
import type { AttachedProcess } from '@novasandbox/engine';
import { toNovaError } from '@novasandbox/protocol';
import type { ExecuteEvent } from '@novasandbox/protocol/api';
import { restarting, restartMs } from '../vms/restarting.ts';
import type { StreamAnswer } from '../routes/call.ts';

const keepaliveMs = 15_000;

/** A process as lines of JSON, or as Server-Sent Events where the client asks for them. The client's reading is the process's pace. */
export function executionAnswer(
  process: AttachedProcess,
  accept: string | undefined,
  { signal, leaving }: { readonly signal: AbortSignal; readonly leaving: AbortSignal },
  stdin?: string,
): StreamAnswer {
  const asEvents = accept?.includes('text/event-stream') === true;
  const write = asEvents
    ? (event: ExecuteEvent) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
    : (event: ExecuteEvent) => `${JSON.stringify(event)}\n`;
  if (stdin !== undefined) {
    void process
      .writeStdin(Buffer.from(stdin))
      .then(() => process.closeStdin())
      .catch(() => undefined);
  }
  return {
    headers: {
      'content-type': asEvents ? 'text/event-stream; charset=utf-8' : 'application/x-ndjson; charset=utf-8',
      'x-accel-buffering': 'no',
    },
    body: Readable.from(lines(process, write, signal, leaving)),
  };
}

async function* lines(
  process: AttachedProcess,
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
    const exit = await process.exit;
    yield write({
      type: 'exit',
      exit_code: exit.exitCode,
      signal: exit.signal,
      timed_out: exit.timedOut,
      oom_killed: exit.oomKilled,
      duration_ms: Math.round((performance.now() - startedAt) * 100) / 100,
    });
  } catch (error) {
    const { code, message, hint } = leaving.aborted ? restarting() : toNovaError(error);
    if (!signal.aborted) yield write({ type: 'error', error: { code, message, hint } });
  } finally {
    signal.removeEventListener('abort', leave);
    leaving.removeEventListener('abort', leave);
    leave();
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}
