/** The part of a snapshot that places it in the tree. */
interface Node {
  readonly id: string;
  readonly parentId: string | null;
}

export interface Placed<T> {
  /** The lines that lead to it. */
  readonly branch: string;
  readonly node: T;
}

/** Places each after its parent, in the given order among siblings. One whose parent is not in the list is a root. */
export function treeOf<T extends Node>(nodes: readonly T[]): Placed<T>[] {
  const ids = new Set(nodes.map(({ id }) => id));
  const children = Map.groupBy(nodes, ({ parentId }) => (parentId !== null && ids.has(parentId) ? parentId : null));
  const placed: Placed<T>[] = [];
  // The next one is the last. A chain may be long, so this does not recurse.
  const waiting = (children.get(null) ?? []).map((node) => ({ node, branch: '', below: '' })).toReversed();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, branch, below } = next;
    placed.push({ branch, node });
    const own = children.get(node.id) ?? [];
    const rows = own.map((child, index) => {
      const isLast = index === own.length - 1;
      return {
        node: child,
        branch: `${below}${isLast ? '└─ ' : '├─ '}`,
        below: `${below}${isLast ? '   ' : '│  '}`,
      };
    });
    waiting.push(...rows.toReversed());
  }
  return placed;
}
