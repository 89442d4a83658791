import { InvalidArgumentError } from 'commander';
import { parseDuration } from './duration.ts';

/** Parses a time such as `2026-01-31T12:00:00Z`, or an age such as `10m`. */
export function parsePointInTime(text: string): Date {
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const time = new Date(text);
    if (!Number.isNaN(time.getTime())) return time;
  } else if (/[a-z]$/.test(text)) {
    return new Date(Date.now() - parseDuration(text));
  }
  throw new InvalidArgumentError('Give a time such as 2026-01-31T12:00:00Z, or how long ago it was, such as 10m.');
}
