import type { AttachedProcess, CallOptions, GuestAgent, OutputChunk } from '../ports/guest-agent.ts';
import type { OutputReading, OutputReadingEnd } from '../services.ts';

type Offsets = { readonly stdout: number; readonly stderr: number };

/** Offsets of a command that has ended: all its output is read. */
const toItsEnd: Offsets = { stdout: Infinity, stderr: Infinity };

/**
 * Reads the output that a command has written so far and the guest still keeps, from the given offsets on. The reading
 * ends at the output that exists now, or at the end of a command that has ended. It does not change the command: a
 * command whose client was lost is still ended in its time, even if its output is read.
 */
export async function readOutput(
  agent: GuestAgent,
  execId: number,
  { stdout, stderr }: Offsets,
  options: CallOptions,
): Promise<OutputReading> {
  const running = (await agent.processes(options)).some((process) => process.execId === execId && process.running);
  const until = running ? await offsetsNow(agent, execId, options) : toItsEnd;
  const process = await agent.attach(execId, { stdout, stderr, stdin: false }, options);
  const ended = Promise.withResolvers<OutputReadingEnd>();
  // Avoid an unhandled rejection when nobody awaits it.
  ended.promise.catch(() => undefined);
  const { pid, stdoutOffset, stderrOffset } = process;
  return {
    execId,
    pid,
    stdoutOffset,
    stderrOffset,
    output: chunksUntil(process, until, ended),
    ended: ended.promise,
    [Symbol.asyncDispose]: () => process.leave(),
  };
}

/**
 * Returns how much the command has written so far. The guest tells this to an attachment that asks for new output only.
 */
async function offsetsNow(agent: GuestAgent, execId: number, options: CallOptions): Promise<Offsets> {
  const process = await agent.attach(execId, { stdout: null, stderr: null, stdin: false }, options);
  await process.leave();
  return { stdout: process.stdoutOffset, stderr: process.stderrOffset };
}

/** Yields the chunks up to those offsets, or to the end of the process; then settles `ended`. */
async function* chunksUntil(
  process: AttachedProcess,
  until: Offsets,
  ended: PromiseWithResolvers<OutputReadingEnd>,
): AsyncGenerator<OutputChunk, void, undefined> {
  const reached = { stdout: process.stdoutOffset, stderr: process.stderrOffset };
  // A `for await` is not used, because it would detach from the process for good where it stops.
  const output = process.output[Symbol.asyncIterator]();
  try {
    let exited = false;
    while (reached.stdout < until.stdout || reached.stderr < until.stderr) {
      const step = await output.next();
      if (step.done === true) {
        exited = true;
        break;
      }
      reached[step.value.channel === 'stderr' ? 'stderr' : 'stdout'] += step.value.bytes.length;
      yield step.value;
    }
    const { stdout: stdoutOffset, stderr: stderrOffset } = reached;
    ended.resolve({ exit: exited ? await process.exit : null, stdoutOffset, stderrOffset });
  } catch (error) {
    ended.reject(error);
    throw error;
  } finally {
    // A reader that stops before the end learns how far it got.
    ended.resolve({ exit: null, stdoutOffset: reached.stdout, stderrOffset: reached.stderr });
    await process.leave();
  }
}
