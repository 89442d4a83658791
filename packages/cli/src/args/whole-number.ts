import { InvalidArgumentError } from 'commander';

/** A number without sign or fraction. Whether it is in range is for the schema to say. */
export function parseWholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
}
