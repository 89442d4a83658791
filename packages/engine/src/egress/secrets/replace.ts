import type { Filter } from '../proxy/pump.ts';

/** Bytes to look for, and as many bytes that take their place. */
export interface Replacement {
  readonly wanted: Buffer;
  readonly instead: Buffer;
}

/**
 * Replaces bytes in a stream, also where they are split over its chunks. The length of the stream stays, and so do the
 * lengths that its protocol gives. Only bytes that may be the beginning of something wanted are kept back.
 *
 * @param onFound called each time something was found
 */
export function replacing(
  replacements: readonly Replacement[],
  onFound: (found: Replacement) => void = () => undefined,
): Filter {
  let kept: Buffer = Buffer.alloc(0);
  return {
    write(chunk) {
      const bytes = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
      let changed: Buffer | undefined;
      let replacedUpTo = 0;
      for (const replacement of replacements) {
        const { wanted, instead } = replacement;
        for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) {
          changed ??= Buffer.from(bytes);
          instead.copy(changed, at);
          replacedUpTo = Math.max(replacedUpTo, at + wanted.length);
          onFound(replacement);
        }
      }
      const end = begunAt(bytes, replacements, replacedUpTo);
      // A copy, because the chunk is not ours later.
      kept = Buffer.from(bytes.subarray(end));
      return (changed ?? bytes).subarray(0, end);
    },
    end() {
      const rest = kept;
      kept = Buffer.alloc(0);
      return rest;
    },
  };
}

/** The place from which on the bytes may be the beginning of something wanted; their length where there is none. */
function begunAt(bytes: Buffer, replacements: readonly Replacement[], from: number): number {
  let earliest = bytes.length;
  for (const { wanted } of replacements) {
    const first = wanted[0] ?? 0;
    let at = bytes.indexOf(first, Math.max(from, bytes.length - wanted.length + 1));
    for (; at >= 0 && at < earliest; at = bytes.indexOf(first, at + 1))
      if (bytes.compare(wanted, 0, bytes.length - at, at) === 0) earliest = at;
  }
  return earliest;
}
