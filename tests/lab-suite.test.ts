import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { kvmSuite, runParts } from '../lab/suite.ts';

const root = join(import.meta.dirname, '..');
const lost = (): NovaError => new NovaError('guest_unreachable', 'The lab is lost: QEMU ended with SIGABRT');

test('every test that wants KVM is a part of the suite, and every part is there', async () => {
  const files = kvmSuite.map((argv) => argv.at(-1) ?? '');
  for (const file of files) assert.ok(existsSync(join(root, file)), file);
  const wanted = (await readdir(join(root, 'tests/e2e'))).filter((name) => name.startsWith('kvm-'));
  assert.deepEqual(
    wanted.filter((name) => !files.includes(`tests/e2e/${name}`)),
    [],
  );
});

test('a part whose lab is lost is run again; the first failure is the exit code, and the others still run', async () => {
  const ran: string[] = [];
  const losses: string[] = [];
  const run = ([name = '']: readonly string[]): Promise<number> => {
    ran.push(name);
    if (name === 'b' && ran.length === 2) return Promise.reject(lost());
    return Promise.resolve(name === 'b' ? 3 : name === 'c' ? 4 : 0);
  };
  const code = await runParts([['a'], ['b'], ['c']], run, {
    onLost: (reason) => losses.push(reason),
    isOver: () => false,
  });
  assert.equal(code, 3);
  assert.deepEqual(ran, ['a', 'b', 'b', 'c']);
  assert.deepEqual(losses, [lost().message]);
});

test('a part that loses every lab is told, and any other error at once', async () => {
  let runs = 0;
  const failing = (error: NovaError) => () => {
    runs++;
    return Promise.reject(error);
  };
  const silent = { onLost: () => undefined, isOver: () => false };
  await assert.rejects(runParts([['a']], failing(lost()), silent), (error) => isNovaError(error, 'guest_unreachable'));
  assert.equal(runs, 3);
  const other = new NovaError('boot_failed', 'The lab did not boot');
  await assert.rejects(runParts([['a']], failing(other), silent), (error) => error === other);
  assert.equal(runs, 4);
});

test('no part is begun once an end was asked for', async () => {
  const ran: string[] = [];
  const run = ([name = '']: readonly string[]): Promise<number> => {
    ran.push(name);
    return Promise.resolve(130);
  };
  const over = { onLost: () => undefined, isOver: () => ran.length > 0 };
  assert.equal(await runParts([['a'], ['b']], run, over), 130);
  assert.deepEqual(ran, ['a']);
});
