import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockOf, withBlock, withoutBlock } from './config-block.ts';

const options = [['User', 'default']] as const;
const block = blockOf('box.nova', options);

test('a block is written, replaced and taken out again, and leaves the rest as it was', () => {
  for (const before of ['', 'Host *\n  User ann\n', '\nHost a\n', 'no line end', '# only a comment\n\n\n']) {
    const written = withBlock(before, 'box.nova', block);
    assert.ok(written.startsWith('# >>> nova ssh-config box.nova\nHost box.nova\n  User default\n'));
    assert.equal(withBlock(written, 'box.nova', block), written);
    assert.equal(withoutBlock(written, 'box.nova'), before);
  }
});

test('the block of another host, and a block without an end, are left alone', () => {
  const other = withBlock('', '*.nova', blockOf('*.nova', options));
  assert.equal(withoutBlock(other, 'box.nova'), other);
  const both = withBlock(other, 'box.nova', block);
  assert.equal(withoutBlock(both, 'box.nova'), other);
  const open = '# >>> nova ssh-config box.nova\nHost box.nova\n';
  assert.equal(withoutBlock(open, 'box.nova'), open);
});
