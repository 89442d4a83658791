/** Returns the name for which a word was probably meant; undefined if none is similar. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const wanted = plain(word);
  const ranked = names.map((name) => ({ name, distance: distanceOf(wanted, plain(name)) }));
  const best = ranked.toSorted((one, other) => one.distance - other.distance)[0];
  return best !== undefined && best.distance <= Math.max(1, Math.floor(wanted.length / 3)) ? best.name : undefined;
}

/** Removes differences in spelling, such as `memoryMb`, `memory_mb` and `memory-mb`. */
const plain = (word: string): string => word.slice(0, 64).toLowerCase().replaceAll(/[_-]/g, '');

/**
 * Counts the letters that have to be added, removed, changed or swapped with their neighbour; a word that begins the
 * other is at most one away.
 */
function distanceOf(one: string, other: string): number {
  if (one.length >= 3 && (one.startsWith(other) || other.startsWith(one))) return one === other ? 0 : 1;
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwapped =
        row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
        isSwapped ? (before[column - 2] ?? 0) + 1 : Infinity,
      );
    }
    before = last;
    last = current;
  }
  return last[other.length] ?? 0;
}
