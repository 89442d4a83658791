import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { firecrackerProgram, jailerProgram } from '../drivers/firecracker/vmm.ts';
import { findBinary } from './binary.ts';

let folder = '';
const before = { path: process.env['PATH'], named: process.env['NOVA_FIRECRACKER'] };

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'nova-binary-')));
  delete process.env['NOVA_FIRECRACKER'];
  process.env['PATH'] = join(folder, 'bin');
});
afterEach(async () => {
  process.env['PATH'] = before.path;
  if (before.named !== undefined) process.env['NOVA_FIRECRACKER'] = before.named;
  else delete process.env['NOVA_FIRECRACKER'];
  await rm(folder, { recursive: true });
});

async function program(...parts: string[]): Promise<string> {
  const path = join(folder, ...parts);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, '#!/bin/sh\n');
  await chmod(path, 0o755);
  return path;
}

test('a program is what the variable names, else what was set up, else what is in PATH', async () => {
  assert.match((findBinary(firecrackerProgram, folder) as { reason: string }).reason, /nova setup firecracker/);
  const inPath = await program('bin', 'firecracker');
  assert.deepEqual(findBinary(firecrackerProgram, folder), { path: inPath, source: 'path' });
  const installed = await program('firecracker', '1.16.1', 'firecracker');
  await symlink('1.16.1', join(folder, 'firecracker', 'current'));
  assert.deepEqual(findBinary(firecrackerProgram, folder), { path: installed, source: 'setup' });
  const named = await program('own', 'fc');
  process.env['NOVA_FIRECRACKER'] = named;
  assert.deepEqual(findBinary(firecrackerProgram, folder), { path: named, source: 'environment' });
});

test('the jailer comes with Firecracker', async () => {
  const jailer = await program('firecracker', '1.16.1', 'jailer');
  await symlink('1.16.1', join(folder, 'firecracker', 'current'));
  assert.deepEqual(findBinary(jailerProgram, folder), { path: jailer, source: 'setup' });
});

test('a variable that names nothing that can be run is told, not passed over', async () => {
  await program('bin', 'firecracker');
  process.env['NOVA_FIRECRACKER'] = folder;
  assert.deepEqual(findBinary(firecrackerProgram, folder), {
    path: null,
    reason: `NOVA_FIRECRACKER names ${folder}, which is no program that can be run`,
  });
});
