import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { identify, isAlive, ownIdentity } from '../vmm/process-identity.ts';
import { openUidRegistry } from './uid-registry.ts';

const range = { lowest: 700, count: 3 };

async function registryFile(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nova-uids-'));
  t.after(() => rm(directory, { recursive: true }));
  return join(directory, 'run', 'uids.sqlite');
}

test('ids come round as late as possible, and none is given out while it is in use', async (t) => {
  const file = await registryFile(t);
  using one = openUidRegistry(file, range);
  using other = openUidRegistry(file, range);
  const all = (): boolean => true;
  assert.deepEqual([one.claim(all), other.claim(all)], [700, 701]);
  one.release(700);
  assert.deepEqual([one.claim(all), other.claim(all), one.claim(all)], [702, 700, null]);
});

test('one whose holder no longer uses it is given out again, by whom it was held is told', async (t) => {
  using registry = openUidRegistry(await registryFile(t), range);
  for (let each = 0; each < range.count; each++) registry.claim(() => true);
  registry.handTo(701, { pid: 1, startTime: 'then' });
  const asked: unknown[] = [];
  const claimed = registry.claim((uid, holder) => {
    asked.push([uid, holder]);
    return holder.kind === 'maker';
  });
  assert.equal(claimed, 701);
  assert.deepEqual(asked, [
    [700, { kind: 'maker', ...ownIdentity() }],
    [701, { kind: 'vmm', pid: 1, startTime: 'then' }],
  ]);
});

test('an id handed to a process is in use until that has ended', async (t) => {
  using registry = openUidRegistry(await registryFile(t), { lowest: 700, count: 1 });
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  const vmm = identify(child.pid ?? 0);
  assert.ok(vmm !== null);
  assert.equal(
    registry.claim(() => true),
    700,
  );
  registry.handTo(700, vmm);
  const inUse = (_uid: number, holder: typeof vmm): boolean => isAlive(holder);
  assert.equal(registry.claim(inUse), null);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  assert.equal(registry.claim(inUse), 700);
});

test('another range than the one before begins with its own first', async (t) => {
  const file = await registryFile(t);
  using before = openUidRegistry(file, range);
  before.claim(() => true);
  using after = openUidRegistry(file, { lowest: 300, count: 2 });
  assert.equal(
    after.claim(() => true),
    300,
  );
});

test('the file is for its owner alone, whatever the umask', async (t) => {
  const file = await registryFile(t);
  using _ = openUidRegistry(file, range);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});
