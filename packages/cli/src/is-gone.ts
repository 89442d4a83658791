/**
 * Whether an error says that the sandbox does not exist. It uses none of the protocol's modules, which help and usage
 * errors do not load.
 */
export function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'sandbox_not_found';
}
