import { closeSync, openSync, readSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';

/**
 * Returns the text of a file named by an option, such as /dev/stdin, without a byte order mark.
 * @throws InvalidArgumentError if it cannot be read, is larger than `largestBytes`, or is not UTF-8
 */
export function readSmallFile(path: string, largestBytes: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readAtMost(path, largestBytes));
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    throw new InvalidArgumentError(`It cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Reads up to the limit instead of checking the file's size, which pipes and devices do not report. */
function readAtMost(path: string, largestBytes: number): Buffer {
  const content = Buffer.alloc(largestBytes + 1);
  const file = openSync(path, 'r');
  try {
    let length = 0;
    while (length < content.length) {
      const read = readSync(file, content, length, content.length - length, null);
      if (read === 0) return content.subarray(0, length);
      length += read;
    }
  } finally {
    closeSync(file);
  }
  throw new InvalidArgumentError(`It is larger than ${largestBytes} bytes.`);
}
