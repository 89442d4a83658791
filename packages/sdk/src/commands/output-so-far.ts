import type { OutputReading } from '@novasandbox/engine/services';
import { decodeOutput } from './command-result.ts';
import { TailBuffer } from './tail-buffer.ts';

/** Output that a command has written so far, as far as the guest keeps it. */
export interface OutputSoFar {
  readonly id: number;
  readonly pid: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderrBytes: Uint8Array;
  /** Offset of `stdoutBytes` in all bytes ever written. Bytes between the requested offset and this one are lost. */
  readonly stdoutOffset: number;
  readonly stderrOffset: number;
  /** Offset from which the next call, or `connect`, continues. */
  readonly stdoutEnd: number;
  readonly stderrEnd: number;
  readonly running: boolean;
  /** Null while the command runs. */
  readonly exitCode: number | null;
}

/** Reads to the end and keeps the newest `keepBytes` of each channel. */
export async function collectOutput(reading: OutputReading, keepBytes: number): Promise<OutputSoFar> {
  const kept = { stdout: new TailBuffer(keepBytes), stderr: new TailBuffer(keepBytes) };
  for await (const { channel, bytes } of reading.output) kept[channel === 'stderr' ? 'stderr' : 'stdout'].add(bytes);
  const { exit, stdoutOffset: stdoutEnd, stderrOffset: stderrEnd } = await reading.ended;
  const stdoutBytes = kept.stdout.bytes();
  const stderrBytes = kept.stderr.bytes();
  return {
    id: reading.execId,
    pid: reading.pid,
    stdout: decodeOutput(stdoutBytes),
    stderr: decodeOutput(stderrBytes),
    stdoutBytes,
    stderrBytes,
    stdoutOffset: stdoutEnd - stdoutBytes.length,
    stderrOffset: stderrEnd - stderrBytes.length,
    stdoutEnd,
    stderrEnd,
    running: exit === null,
    exitCode: exit?.exitCode ?? null,
  };
}
