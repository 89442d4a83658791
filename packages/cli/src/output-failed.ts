import { printable } from '@novasandbox/protocol/visible';
import { brokenPipeExitCode } from './exit-codes.ts';

/** Returns the exit code for output that cannot be written. */
export function outputExitCode(error: Error): number {
  const { code } = error as NodeJS.ErrnoException;
  // EIO means that the terminal is gone.
  return code === 'EPIPE' || code === 'EIO' ? brokenPipeExitCode : 1;
}

/** Also reports the failure, unless the reader has merely closed the pipe. A full disk is reported. */
export function tellOutputFailed(error: Error): number {
  const exitCode = outputExitCode(error);
  if (exitCode !== brokenPipeExitCode && !process.stderr.destroyed)
    process.stderr.write(`nova: the output cannot be written: ${printable(error.message)}\n`);
  return exitCode;
}
