import type { Exit } from '@novasandbox/protocol';

/** Result of a command. Text is decoded as UTF-8, with U+FFFD for invalid bytes; the bytes are available too. */
export interface CommandResult {
  /** The program's exit code; 128 + signal when a signal ended it. */
  readonly exitCode: number;
  /** Number of the signal that ended it, or null. */
  readonly signal: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderrBytes: Uint8Array;
  /** Output exceeded `maxOutputBytes`: its beginning is missing here. */
  readonly stdoutTruncated: boolean;
  readonly stderrTruncated: boolean;
  /** Whether the command's own time limit ended it. */
  readonly timedOut: boolean;
  /** Whether the guest ran out of memory and killed the command. */
  readonly oomKilled: boolean;
  /** Time from the call to the end, measured on the host. */
  readonly durationMs: number;
  /** Figures measured by the guest: CPU time, peak memory, wall time, total bytes written. */
  readonly usage: Exit;
}

export interface CollectedOutput {
  readonly bytes: Uint8Array;
  readonly truncated: boolean;
}

/** Builds a result. Text is decoded only when it is read: many callers need one stream or none. */
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
      return (stdoutText ??= decodeOutput(stdout.bytes));
    },
    get stderr() {
      return (stderrText ??= decodeOutput(stderr.bytes));
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

/** Decodes output as UTF-8, with U+FFFD for invalid bytes. */
export function decodeOutput(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}
