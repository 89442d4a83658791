import { printable } from '@novasandbox/protocol/visible';
import { brokenPipeExitCode } from './exit-codes.ts';

let told = false;

/** The exit code when our output cannot be written. A reader that has left is no error to speak of; a full disk is. */
export function outputFailed(error: Error): number {
  const { code } = error as NodeJS.ErrnoException;
  // EIO: the terminal has gone.
  if (code === 'EPIPE' || code === 'EIO') return brokenPipeExitCode;
  if (!told && !process.stderr.destroyed)
    process.stderr.write(`nova: the output cannot be written: ${printable(error.message)}\n`);
  told = true;
  return 1;
}
