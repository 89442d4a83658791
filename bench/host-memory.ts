import { readFileSync } from 'node:fs';

/** Memory that the host could still give to programs. */
export const availableMb = (): number =>
  Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? Number.NaN) / 1024;
