/** A command line that cannot be made sense of, found after it has been parsed. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
