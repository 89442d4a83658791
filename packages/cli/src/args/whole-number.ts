import { InvalidArgumentError } from 'commander';

/** Parses a number without sign or fraction. The schema checks its range. */
export function parseWholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
}
