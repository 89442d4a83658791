/** A mistake in the command line that is found after parsing. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
