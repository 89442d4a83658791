/** Whether an error of the file system says that there is no such file or folder. */
export const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** Handles the error of work on a file or folder that may be missing: `await rename(from, to).catch(unlessMissing)`. */
export function unlessMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
