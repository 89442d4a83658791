import { NovaError } from '@novasandbox/protocol';
import type { CommandResult } from './command-result.ts';
import { signalName } from './signals.ts';

const quotedBytes = 2000;

/** A command that ended badly: `command_failed`, or `command_timeout` when its time limit ended it. Carries the whole result. */
export class CommandError extends NovaError {
  readonly result: CommandResult;

  constructor(command: string, result: CommandResult) {
    const stderr = new TextDecoder().decode(result.stderrBytes.subarray(-quotedBytes)).trim();
    const said = stderr === '' ? '' : `: ${stderr}`;
    const options = result.oomKilled ? { hint: 'The guest ran out of memory: give the sandbox more memoryMb.' } : {};
    super(result.timedOut ? 'command_timeout' : 'command_failed', `${command} ${outcome(result)}${said}`, {
      ...options,
      details: { exitCode: result.exitCode, signal: result.signal, oomKilled: result.oomKilled, stderr },
    });
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

function outcome(result: CommandResult): string {
  if (result.timedOut) return `was ended by its time limit after ${Math.round(result.durationMs)} ms`;
  if (result.oomKilled) return 'was ended because the guest ran out of memory';
  if (result.signal !== null) return `was ended by ${signalName(result.signal)}`;
  return `exited with ${result.exitCode}`;
}

/** A command as a message names it. */
export function describeCommand(argv: readonly string[]): string {
  const text = argv[0] === '/bin/sh' && argv[1] === '-c' && argv.length === 3 ? (argv[2] ?? '') : argv.join(' ');
  const line = text.replaceAll(/\s+/g, ' ');
  return `"${line.length > 80 ? `${line.slice(0, 77)}...` : line}"`;
}
