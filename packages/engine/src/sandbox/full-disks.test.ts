import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullAmong } from './full-disks.ts';

const disk = (path: string, freeMb: number, freeInodes = 10) => ({
  ...{ path, freeInodes, freeBytes: freeMb * 1024 * 1024, totalBytes: 2 ** 30 },
});

test('a disk is full without room for bytes or for files, and until it has some room again', () => {
  assert.deepEqual(fullAmong([disk('/', 500), disk('/data', 0.5)], []), ['/data']);
  assert.deepEqual(fullAmong([disk('/', 500), disk('/data', 2)], []), []);
  assert.deepEqual(fullAmong([disk('/data', 2)], ['/data']), ['/data']);
  assert.deepEqual(fullAmong([disk('/data', 4)], ['/data']), []);
  assert.deepEqual(fullAmong([disk('/data', 100, 0), disk('/', 0)], []), ['/', '/data']);
});
