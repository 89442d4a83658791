import type { Exit } from '@novasandbox/protocol';

/** What a command left behind. Text is decoded as UTF-8, with U+FFFD for what is not; the bytes are there too. */
export interface CommandResult {
  /** As the program gave it; 128 + signal when a signal ended it. */
  readonly exitCode: number;
  /** Number of the signal that ended it, or null. */
  readonly signal: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderrBytes: Uint8Array;
  /** Output beyond `maxOutputBytes`: the beginning is missing from what is collected. */
  readonly stdoutTruncated: boolean;
  readonly stderrTruncated: boolean;
  /** Its own time limit ended it. */
  readonly timedOut: boolean;
  /** The guest ran out of memory and ended it. */
  readonly oomKilled: boolean;
  /** From the call to the end, seen from the host. */
  readonly durationMs: number;
  /** The guest's own account: CPU time, peak memory, wall time, bytes ever written. */
  readonly usage: Exit;
}

export interface CollectedOutput {
  readonly bytes: Uint8Array;
  readonly truncated: boolean;
}

/** Puts a result together. Decoding is put off until the text is asked for: many callers want one stream or none. */
export function commandResult(
  exit: Exit,
  stdout: CollectedOutput,
  stderr: CollectedOutput,
  durationMs: number,
): CommandResult {
  let stdoutText: string | undefined;
  let stderrText: string | undefined;
  return {
    exitCode: exit.exitCode,
    signal: exit.signal,
    get stdout() {
      return (stdoutText ??= decode(stdout.bytes));
    },
    get stderr() {
      return (stderrText ??= decode(stderr.bytes));
    },
    stdoutBytes: stdout.bytes,
    stderrBytes: stderr.bytes,
    stdoutTruncated: stdout.truncated,
    stderrTruncated: stderr.truncated,
    timedOut: exit.timedOut,
    oomKilled: exit.oomKilled,
    durationMs,
    usage: exit,
  };
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}
