import { commandText, describeEnd, NovaError } from '@novasandbox/protocol';
import type { CommandResult } from './command-result.ts';

const quotedBytes = 2000;

/**
 * The error for a command that failed: `command_failed`, or `command_timeout` when its time limit ended it. Carries the
 * whole result.
 */
export class CommandError extends NovaError {
  readonly result: CommandResult;

  constructor(command: string, result: CommandResult) {
    const stderr = new TextDecoder().decode(result.stderrBytes.subarray(-quotedBytes)).trim();
    const said = stderr === '' ? '' : `: ${stderr}`;
    const options = result.oomKilled ? { hint: 'The guest ran out of memory: give the sandbox more memoryMb.' } : {};
    super(
      result.timedOut ? 'command_timeout' : 'command_failed',
      `${command} ${describeEnd(result, result.durationMs)}${said}`,
      {
        ...options,
        details: { exitCode: result.exitCode, signal: result.signal, oomKilled: result.oomKilled, stderr },
      },
    );
    this.result = result;
  }

  get exitCode(): number {
    return this.result.exitCode;
  }

  get stdout(): string {
    return this.result.stdout;
  }

  get stderr(): string {
    return this.result.stderr;
  }
}

/** Formats a command for a message. */
export function describeCommand(argv: readonly string[]): string {
  const line = commandText(argv).replaceAll(/\s+/g, ' ');
  return `"${line.length > 80 ? `${line.slice(0, 77)}...` : line}"`;
}
