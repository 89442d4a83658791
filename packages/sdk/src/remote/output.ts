import type { OutputChunk, OutputReading, OutputReadingEnd } from '@novasandbox/engine/services';
import { NovaError } from '@novasandbox/protocol';
import { executeEventSchema, type ExecuteEvent } from '@novasandbox/protocol/api';
import type { HttpClient } from './http.ts';
import { errorOfWire } from './remote-error.ts';
import { withResolvers } from '../with-resolvers.ts';

/** Reads what a command has written so far over the daemon. */
export async function readRemoteOutput(
  http: HttpClient,
  ref: string,
  execId: number,
  from: { readonly stdout: number; readonly stderr: number },
  signal: AbortSignal | undefined,
): Promise<OutputReading> {
  const query = { stdout_offset: from.stdout, stderr_offset: from.stderr, follow: false };
  const lines = await http.lines('processOutput', { id: ref, process_id: execId }, { query, signal });
  try {
    const first = await lines.next();
    const started = first.done === true ? undefined : eventOf(first.value);
    if (started?.type !== 'started') throw cutOff();
    const ended = withResolvers<OutputReadingEnd>();
    // Avoid an unhandled rejection when nobody awaits it.
    ended.promise.catch(() => undefined);
    const reached = { stdout: started.stdout_offset, stderr: started.stderr_offset };
    return {
      execId: started.process_id,
      pid: started.pid,
      stdoutOffset: started.stdout_offset,
      stderrOffset: started.stderr_offset,
      output: chunksOf(lines, reached, ended),
      ended: ended.promise,
      [Symbol.asyncDispose]: async () => void (await lines.return()),
    };
  } catch (error) {
    await lines.return();
    throw error;
  }
}

async function* chunksOf(
  lines: AsyncGenerator<unknown, void, undefined>,
  reached: { stdout: number; stderr: number },
  ended: PromiseWithResolvers<OutputReadingEnd>,
): AsyncGenerator<OutputChunk, void, undefined> {
  try {
    for await (const line of lines) {
      const event = eventOf(line);
      if (event.type === 'stdout' || event.type === 'stderr' || event.type === 'pty') {
        const bytes = Buffer.from(event.data, 'base64');
        reached[event.type === 'stderr' ? 'stderr' : 'stdout'] += bytes.length;
        yield { channel: event.type, bytes };
      } else if (event.type === 'exit' || event.type === 'running') {
        ended.resolve(endOf(event, reached));
        return;
      }
    }
    throw cutOff();
  } catch (error) {
    ended.reject(error);
    throw error;
  }
}

function endOf(
  event: Extract<ExecuteEvent, { readonly type: 'exit' | 'running' }>,
  { stdout, stderr }: { readonly stdout: number; readonly stderr: number },
): OutputReadingEnd {
  if (event.type === 'running')
    return { exit: null, stdoutOffset: event.stdout_offset, stderrOffset: event.stderr_offset };
  const { exit_code: exitCode, signal, timed_out: timedOut, oom_killed: oomKilled } = event;
  const exit = { exitCode, signal, timedOut, oomKilled, stdoutBytes: stdout, stderrBytes: stderr };
  // The contract does not report the time and memory that the command used.
  const usage = { userUs: 0, systemUs: 0, maxRssKb: 0, wallUs: 0 };
  return { exit: { ...exit, ...usage }, stdoutOffset: stdout, stderrOffset: stderr };
}

function eventOf(line: unknown): ExecuteEvent {
  const event = executeEventSchema.parse(line);
  if (event.type === 'error') throw errorOfWire(event.error);
  return event;
}

const cutOff = (): NovaError => new NovaError('server_unreachable', 'The output ended without its end message.');
