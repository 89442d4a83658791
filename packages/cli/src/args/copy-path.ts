import { UsageError } from '../usage-error.ts';

/** One side of a copy. */
export type CopyPath =
  | { readonly kind: 'host'; readonly path: string }
  | { readonly kind: 'sandbox'; readonly ref: string; readonly path: string }
  | { readonly kind: 'stream' };

/**
 * Parses `sandbox:path`, `-` for stdin or stdout, or else a path of the host. A host path with a colon is written
 * `./with:colon`.
 */
export function parseCopyPath(text: string): CopyPath {
  if (text === '-') return { kind: 'stream' };
  const match = /^([a-zA-Z0-9][a-zA-Z0-9_.-]*):(.*)$/s.exec(text);
  if (match === null) return { kind: 'host', path: text };
  const [, ref = '', path = ''] = match;
  if (path === '') throw new UsageError(`"${text}" has no path: write ${ref}:/some/path.`);
  return { kind: 'sandbox', ref, path };
}
