import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { finished, novaCommand, type CliResult } from '../support/nova-cli.ts';
import { serverUnderTest } from '../support/server.ts';

test('a backup of a daemon at work is restored: keys, and a VM that was lost, with its disk', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'nova-backup-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'nova.tar');
  await using server = await serverUnderTest();
  const nova = (...argv: string[]): Promise<CliResult> => {
    const child = spawn(process.execPath, [...novaCommand.slice(1), ...argv], { env: server.home.env });
    child.stdin.end();
    return finished(child);
  };
  await server.vm({ name: 'kept' });
  await server.ok('POST', '/vms/kept/execute', { command: 'echo data > file; sync' });
  const { key } = await server.ok('POST', '/security/api-keys', { name: 'kept' });
  const made = await nova('backup', file);
  assert.deepEqual([made.code, /store\.sqlite, server\.sqlite/.test(made.stdout)], [0, true], made.stderr);

  // Nothing is restored while it runs, because it has its disk open.
  const early = await nova('restore', file);
  assert.deepEqual([early.code, /Sandboxes of the state folder run/.test(early.stderr)], [1, true]);
  await server.ok('POST', '/vms/kept/stop');
  const beside = await nova('restore', file);
  assert.deepEqual([beside.code, /Another daemon/.test(beside.stderr)], [1, true]);
  await server.end('SIGTERM');
  await rm(server.home.layout.storeFile);
  await rm(server.home.layout.daemon.database);
  const restored = await nova('restore', file);
  assert.equal(restored.code, 0, restored.stderr);

  await server.restart();
  assert.equal((await server.call('GET', '/vms', { key })).status, 200);
  assert.equal((await server.ok('GET', '/vms/kept')).status, 'stopped');
  await server.ok('POST', '/vms/kept/start');
  assert.equal((await server.ok('POST', '/vms/kept/execute', { command: 'cat file' })).stdout, 'data\n');
});
