import assert from 'node:assert/strict';
import { test } from 'node:test';
import { treeOf } from './tree.ts';

const drawn = (...pairs: readonly (readonly [string, string | null])[]): string[] =>
  treeOf(pairs.map(([id, parentId]) => ({ id, parentId }))).map(({ branch, node }) => `${branch}${node.id}`);

test('children follow their parent, in the order of the list', () => {
  assert.deepEqual(drawn(['a', null], ['b', 'a'], ['x', null], ['c', 'b'], ['d', 'a'], ['e', 'd']), [
    'a',
    '├─ b',
    '│  └─ c',
    '└─ d',
    '   └─ e',
    'x',
  ]);
});

test('one whose parent is not listed is a root', () => {
  assert.deepEqual(drawn(['b', 'gone'], ['c', 'b']), ['b', '└─ c']);
});

test('a long chain is no problem', () => {
  const chain = Array.from(
    { length: 20_000 },
    (_, index) => [`${index}`, index === 0 ? null : `${index - 1}`] as const,
  );
  assert.equal(drawn(...chain).length, 20_000);
});
