import assert from 'node:assert/strict';
import { test } from 'node:test';
import { permissions } from './entry.ts';

test('permissions as Go writes them', () => {
  const of = (type: 'file' | 'directory', mode: number, symlinkTarget: string | null = null) =>
    permissions({ type, mode, symlinkTarget });
  assert.equal(of('file', 0o644), '-rw-r--r--');
  assert.equal(of('directory', 0o755), 'drwxr-xr-x');
  assert.equal(of('directory', 0o1777), 'dtrwxrwxrwx');
  assert.equal(of('file', 0o4755), 'urwxr-xr-x');
  assert.equal(of('file', 0o755, '/x'), 'Lrwxrwxrwx');
});
