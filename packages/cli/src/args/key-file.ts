import { InvalidArgumentError } from 'commander';
import { readSmallFile } from './small-file.ts';

const largestBytes = 16 << 10;

/** Reads the key or token from a file, such as a daemon's admin.key. */
export function parseKeyFile(path: string): string {
  const key = readSmallFile(path, largestBytes).trim();
  if (key === '' || /\s/.test(key)) throw new InvalidArgumentError('It must hold one key and nothing else.');
  return key;
}
