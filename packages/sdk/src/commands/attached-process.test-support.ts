import type { AttachedProcess, OutputChunk } from '@novasandbox/engine/services';
import type { Exit } from '@novasandbox/protocol';
import { ChunkQueue } from './chunk-queue.ts';

/** The exit of a process that ended well. */
const goodExit: Exit = {
  exitCode: 0,
  signal: null,
  timedOut: false,
  oomKilled: false,
  stdoutBytes: 0,
  stderrBytes: 0,
  userUs: 0,
  systemUs: 0,
  maxRssKb: 0,
  wallUs: 0,
};

/** A process whose output and end are decided by the test. */
export function scriptedProcess() {
  const exit = Promise.withResolvers<Exit>();
  const output = new ChunkQueue([], () => undefined);
  const seen = { signals: [] as number[], stdin: [] as Uint8Array[], stdinClosed: false, detached: false };
  const process: AttachedProcess = {
    execId: 1,
    pid: 42,
    stdoutOffset: 0,
    stderrOffset: 0,
    output,
    exit: exit.promise,
    writeStdin: (bytes) => Promise.resolve(void seen.stdin.push(bytes)),
    closeStdin: () => Promise.resolve(void (seen.stdinClosed = true)),
    resize: () => Promise.resolve(),
    signal: (signal) => Promise.resolve(void seen.signals.push(signal)),
    detach: () => {
      seen.detached = true;
      output.end();
      return Promise.resolve();
    },
    leave: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return {
    process,
    seen,
    /** Resolves when the reader has taken the chunk. */
    say: (text: string | Uint8Array, channel: OutputChunk['channel'] = 'stdout'): Promise<void> =>
      output.push({ channel, bytes: typeof text === 'string' ? new TextEncoder().encode(text) : text }),
    end: (how: Partial<Exit> = {}): void => {
      output.end();
      exit.resolve({ ...goodExit, ...how });
    },
    lose: (error: Error): void => {
      output.end(error);
      exit.reject(error);
    },
  };
}
