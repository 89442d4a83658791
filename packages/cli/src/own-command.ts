import { realpathSync } from 'node:fs';

/** Returns the words that start this `nova` in any folder. */
export const ownCommand = (): readonly string[] => [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  '--',
  realpathSync(process.argv[1] ?? ''),
];
