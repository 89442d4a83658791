import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkspaceState } from '../types.ts';
import { flagsOf } from './flags.ts';
import { refusedPath, refusedRepository, refusedState } from './safe-name.ts';
import { formatHunks, hunksOf, merge, textOf, withHunks } from './text.ts';

const file = (mode = 0o644): WorkspaceState => ({ type: 'file', mode, size: 1, sha256: 'x', link: null });
const link = (to: string): WorkspaceState => ({ type: 'symlink', mode: 0o777, size: 0, sha256: null, link: to });
const none = { before: null, after: null };

test('paths that lead out, or that belong to git on any file system, are refused', () => {
  const refused = ['../x', '/etc/passwd', 'a//b', 'a/./b', '.git/config', 'a/.git/hooks/x', '.GIT/config', '.git./x'];
  refused.push(
    '.g\u200cit/config',
    '.git /config',
    'GIT~1/config',
    '.git::$INDEX_ALLOCATION/x',
    'a/.Git',
    '\uff0egit/x',
  );
  refused.push('a\nb', 'a\x1b[2Jb', 'a\u009bb', 'bad\ufffdname', 'x/'.repeat(300) + 'x', 'y'.repeat(5000));
  for (const path of refused) assert.notEqual(refusedPath(path), null, JSON.stringify(path));
  for (const path of ['a', '.gitignore', '.github/x', 'git/config', 'a b/c', 'x.git/y', 'ünï/€', 'a~1']) {
    assert.equal(refusedPath(path), null, path);
  }
});

test('links that lead out, and what is no file, are refused', () => {
  for (const to of ['/etc/passwd', '../x', 'a/../../x', '', '.git/hooks', '../.GIT/config', 'x\ny']) {
    assert.notEqual(refusedState(to.startsWith('../.GIT') ? 'a/l' : 'l', link(to)), null, to);
  }
  assert.equal(refusedState('a/b/l', link('../../c')), null);
  assert.notEqual(refusedState('a/b/l', link('../../../c')), null);
  assert.notEqual(refusedState('x', { ...file(), type: 'other' }), null);
  assert.equal(refusedState('x', file()), null);
});

test('a folder that git takes for a repository is refused', () => {
  const has = (path: string): boolean => path === 'a/bare/HEAD';
  for (const path of ['a/bare/HEAD', 'a/bare/config', 'a/bare/objects/x']) {
    assert.notEqual(refusedRepository(path, has), null, path);
  }
  assert.equal(refusedRepository('a/x', has), null);
  assert.notEqual(
    refusedRepository('x', (path) => path === 'HEAD'),
    null,
  );
});

test('what the host may run by itself is flagged', () => {
  const flagged = ['.github/workflows/ci.yml', 'x/.gitlab-ci.yml', '.husky/pre-commit', '.envrc', '.vscode/tasks.json'];
  flagged.push('Makefile', 'sub/makefile', 'build.sh', '.gitattributes', '.gitignore', '.novaignore', 'CLAUDE.md');
  flagged.push(
    '.claude/settings.json',
    '.mcp.json',
    'Jenkinsfile',
    '.npmrc',
    'setup.py',
    'Dockerfile',
    '.env',
    'a\u200bb',
  );
  flagged.push('.cargo/config.toml', '.pre-commit-config.yaml', 'conftest.py', '.bashrc', 'gradlew', 'compose.yaml');
  for (const path of flagged) assert.notDeepEqual(flagsOf(path, null, file(), none), [], path);
  for (const path of ['src/main.ts', 'README.md', 'make.txt', 'src/hooks/use.ts', 'data.json']) {
    assert.deepEqual(flagsOf(path, null, file(), none), [], path);
  }
  assert.deepEqual(flagsOf('a', file(), file(0o755), none), ['becomes a program']);
  assert.deepEqual(flagsOf('a', file(0o755), file(0o755), none), ['is a program']);
  const before = '{"scripts":{"test":"x"},"version":"1"}';
  const npm = (after: string) => flagsOf('package.json', file(), file(), { before, after });
  assert.deepEqual(npm('{"version":"2","scripts":{"test":"x"}}'), []);
  assert.deepEqual(npm('{"scripts":{"test":"x","postinstall":"y"}}'), ['changes scripts of npm']);
  assert.deepEqual(npm('{'), ['changes scripts of npm']);
});

test('hunks are chosen one by one, whatever lines end in', () => {
  for (const end of ['\n', '\r\n']) {
    const lines = Array.from({ length: 40 }, (_, at) => `line ${at}`);
    const before = lines.join(end);
    const after = lines.with(3, 'three').with(30, 'thirty').concat('last', '').join(end);
    const hunks = hunksOf(before, after) ?? [];
    assert.equal(hunks.length, 3);
    assert.equal(withHunks(before, hunks), after);
    assert.equal(withHunks(before, hunks.slice(0, 1)), lines.with(3, 'three').join(end));
    assert.equal(withHunks('something else', hunks), null);
  }
  assert.equal(withHunks('', hunksOf('', 'new\n') ?? []), 'new\n');
  assert.equal(withHunks('old\n', hunksOf('old\n', '') ?? []), '');
  const hunks = hunksOf('a\n', 'b\n') ?? [];
  const modes = { before: 0o644, after: 0o755 };
  const expected = 'diff --git a/x b/x\nold mode 100644\nnew mode 100755\n--- a/x\n+++ b/x\n@@ -1,1 +1,1 @@\n-a\n+b\n';
  assert.equal(formatHunks('x', modes, hunks), expected);
});

test('both changes go together, or are shown as a conflict', () => {
  const base = 'a\nb\nc\nd\ne\n';
  assert.equal(merge('A\nb\nc\nd\ne\n', base, 'a\nb\nc\nd\nE').text, 'A\nb\nc\nd\nE');
  const { text, marked } = merge('a\nb\nhost\nd\ne\n', base, 'a\nb\nguest\nd\ne\n');
  assert.equal(text, null);
  assert.equal(marked, 'a\nb\n<<<<<<< host\nhost\n=======\nguest\n>>>>>>> guest\nd\ne\n');
  assert.equal(merge('a\nx\n', 'a\n', 'a\nx\n').text, 'a\nx\n');
});

test('content that is made to take long does not hold up a review', () => {
  const same = 'x\n'.repeat(50_000);
  assert.deepEqual(merge(`a\n${same}`, same, `${same}b\n`), { text: null, marked: null });
  const random = (seed: number): string =>
    Array.from({ length: 60_000 }, (_, at) => `${(at * seed * 7919) % 99_991}\n`).join('');
  assert.equal(hunksOf(random(3), random(5)), null);
});

test('text is UTF-8 without NUL', () => {
  assert.equal(textOf(Buffer.from('ünï')), 'ünï');
  assert.equal(textOf(Buffer.from('\ufeffa')), '\ufeffa');
  assert.equal(textOf(Buffer.from([0xff, 0xfe])), null);
  assert.equal(textOf(Buffer.from('a\0b')), null);
  assert.equal(textOf(null), null);
});
