import { applyPatch, formatPatch, structuredPatch, type StructuredPatch } from 'diff';
import { diff3Merge } from 'node-diff3';
import type { WorkspaceHunk } from '../types.ts';

/** Larger files are compared as a whole. */
export const maxTextBytes = 1024 * 1024;
/** A comparison that takes longer is given up: content from the guest may be made to take very long. */
const comparisonMs = 1000;
/** Most pairs of equal lines that a merge looks at: their number is what its time depends on. */
const maxPairs = 2_000_000;

/** The text of a file; null where it is not UTF-8, holds NUL, or is too large. */
export function textOf(bytes: Uint8Array | null): string | null {
  if (bytes === null || bytes.length > maxTextBytes || bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** The differences between two texts; null where finding out takes too long. */
export function hunksOf(before: string, after: string): WorkspaceHunk[] | null {
  const patch = structuredPatch('', '', before, after, undefined, undefined, { context: 3, timeout: comparisonMs });
  return patch === undefined ? null : patch.hunks;
}

/** A diff of one file in git's form, as `git apply` and `patch` read it. The modes are null where there is no file. */
export function formatHunks(
  path: string,
  modes: { readonly before: number | null; readonly after: number | null },
  hunks: readonly WorkspaceHunk[],
): string {
  const { before, after } = modes;
  const gitMode = (mode: number): string => ((mode & 0o100) === 0 ? '100644' : '100755');
  const patch: StructuredPatch = {
    isGit: true,
    isCreate: before === null,
    isDelete: after === null,
    ...(before === null || gitMode(before) === gitMode(after ?? before) ? {} : { oldMode: gitMode(before) }),
    ...(after === null || gitMode(after) === gitMode(before ?? ~after) ? {} : { newMode: gitMode(after) }),
    oldFileName: before === null ? '/dev/null' : `a/${path}`,
    newFileName: after === null ? '/dev/null' : `b/${path}`,
    oldHeader: undefined,
    newHeader: undefined,
    hunks: hunks.map((hunk) => ({ ...hunk, lines: [...hunk.lines] })),
  };
  return formatPatch(patch);
}

/** The text with some of its hunks; null where they do not fit, which they do if they are of this text. */
export function withHunks(before: string, hunks: readonly WorkspaceHunk[]): string | null {
  const patch = { oldFileName: '', newFileName: '', hunks: hunks.map((hunk) => ({ ...hunk, lines: [...hunk.lines] })) };
  const result = applyPatch(before, patch as StructuredPatch, { fuzzFactor: 0, autoConvertLineEndings: false });
  return result === false ? null : result;
}

export interface Merged {
  /** The merged text; null where both changed the same lines. */
  readonly text: string | null;
  /** With the usual marks around what both changed; null where the texts cannot be merged in reasonable time. */
  readonly marked: string | null;
}

/** Merges what the host and what the guest made of a text. */
export function merge(host: string, base: string, guest: string): Merged {
  const [ours, original, theirs] = [linesOf(host), linesOf(base), linesOf(guest)];
  if (pairs(ours, original) + pairs(theirs, original) > maxPairs) return { text: null, marked: null };
  const regions = diff3Merge(ours, original, theirs, { excludeFalseConflicts: true });
  let isClean = true;
  const marked = regions.flatMap(({ ok, conflict }) => {
    if (ok !== undefined) return ok;
    if (conflict === undefined) return [];
    isClean = false;
    return ['<<<<<<< host\n', ...whole(conflict.a), '=======\n', ...whole(conflict.b), '>>>>>>> guest\n'];
  });
  return { text: isClean ? marked.join('') : null, marked: marked.join('') };
}

/** Lines with their ends, so that they can be joined again whatever they end in. */
const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

const whole = (lines: readonly string[]): string[] => lines.map((line) => (line.endsWith('\n') ? line : `${line}\n`));

/** How many pairs of equal lines two texts have. */
function pairs(one: readonly string[], other: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const line of one) counts.set(line, (counts.get(line) ?? 0) + 1);
  return other.reduce((sum, line) => sum + (counts.get(line) ?? 0), 0);
}
