import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, afterEach, test } from 'node:test';
import { HostTree } from './host-tree.ts';

let around: string;
let top: string;
beforeEach(() => {
  around = mkdtempSync(join(tmpdir(), 'nova-tree-'));
  top = join(around, 'top');
  mkdirSync(join(top, 'a'), { recursive: true });
  mkdirSync(join(around, 'elsewhere'));
});
afterEach(() => rmSync(around, { recursive: true }));

const bytes = (text: string): Uint8Array[] => [Buffer.from(text)];

test('files are written whole, with plain permissions, and replaced only as they were seen', async () => {
  using tree = new HostTree(top);
  const made = await tree.write('a/new/file', bytes('one'), 0o6755, null);
  assert.equal(readFileSync(join(top, 'a/new/file'), 'utf8'), 'one');
  assert.equal(lstatSync(join(top, 'a/new/file')).mode & 0o7777, 0o755);
  assert.equal(tree.look('a/new/file')?.version, made.version);
  await tree.write('a/new/file', bytes('two'), 0o644, made.version);
  await assert.rejects(tree.write('a/new/file', bytes('three'), 0o644, made.version), { code: 'conflict' });
  await assert.rejects(tree.write('a/new/file', bytes('three'), 0o644, null), { code: 'conflict' });
  assert.equal(readFileSync(join(top, 'a/new/file'), 'utf8'), 'two');
});

test('a file that breaks off leaves nothing, and the old one stays', async () => {
  using tree = new HostTree(top);
  const old = await tree.write('file', bytes('old'), 0o644, null);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half');
    throw new Error('broken off');
  }
  await assert.rejects(tree.write('file', broken(), 0o644, old.version), /broken off/);
  assert.deepEqual(readdirSync(top).toSorted(), ['a', 'file']);
  assert.equal(readFileSync(join(top, 'file'), 'utf8'), 'old');
});

test('nothing is read, written or removed through a link', async () => {
  writeFileSync(join(around, 'elsewhere/file'), 'theirs');
  symlinkSync('../elsewhere', join(top, 'out'));
  symlinkSync('../elsewhere/file', join(top, 'link'));
  symlinkSync('../nothing', join(top, 'dangling'));
  using tree = new HostTree(top);
  assert.equal(tree.look('out/file'), null);
  assert.equal(tree.read('out/file', 100), null);
  assert.equal(tree.read('link', 100), null);
  assert.equal(await tree.digest('out/file'), null);
  await assert.rejects(tree.write('out/new', bytes('x'), 0o644, null), { code: 'conflict' });
  await assert.rejects(tree.write('dangling/new', bytes('x'), 0o644, null), { code: 'conflict' });
  await assert.rejects(tree.folder('out/folder', 0o755), { code: 'conflict' });
  await assert.rejects(tree.folder('link', 0o755), { code: 'conflict' });
  assert.throws(() => tree.link('out/l', 'file', null), { code: 'conflict' });
  tree.remove('out/file', 'any');
  // A link is replaced itself, as it was seen.
  await tree.write('link', bytes('mine'), 0o644, tree.look('link')?.version ?? null);
  assert.ok(lstatSync(join(top, 'link')).isFile());
  assert.deepEqual(readdirSync(join(around, 'elsewhere')), ['file']);
  assert.equal(readFileSync(join(around, 'elsewhere/file'), 'utf8'), 'theirs');
  for (const path of ['../elsewhere/file', '/etc/passwd', 'a/../../elsewhere/file', 'a//b', '.', '']) {
    assert.throws(() => tree.look(path), { code: 'internal' });
  }
});

test('folders and links are made and removed', async () => {
  using tree = new HostTree(top);
  await tree.folder('a/b/c', 0o500);
  assert.equal(lstatSync(join(top, 'a/b/c')).mode & 0o777, 0o700);
  const link = tree.link('a/link', 'b/c', null);
  assert.equal(tree.look('a/link')?.link, 'b/c');
  assert.equal(tree.removeFolder('a/b'), false);
  assert.equal(tree.removeFolder('a/b/c'), true);
  tree.remove('a/link', link.version);
  assert.throws(() => tree.link('a/b', 'x', null), { code: 'conflict' });
  chmodSync(join(top, 'a'), 0o755);
  assert.deepEqual(readdirSync(join(top, 'a')), ['b']);
});
