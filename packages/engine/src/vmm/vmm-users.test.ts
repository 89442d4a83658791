import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openUidRegistry } from '../store/uid-registry.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';
import { createVmmUsers, usersOfVmms, type VmmUsers } from './vmm-users.ts';

const skip = usersOfVmms() === null ? 'takes root' : false;
/** Above the user ids that VMMs have, so that tests can use it for their processes. */
const uid = 760_000 + (process.pid % 10_000);

async function usersOf(t: TestContext): Promise<{ users: VmmUsers; file: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'nova-users-'));
  const file = join(directory, 'uids.sqlite');
  const users = createVmmUsers(() => openUidRegistry(file, { lowest: uid, count: 1 }));
  t.after(async () => {
    users[Symbol.dispose]();
    await rm(directory, { recursive: true });
  });
  return { users, file };
}

/** A process of that user, as a VMM is. */
function processOf(t: TestContext): { readonly identity: ProcessIdentity; end(): Promise<void> } {
  const child = spawn('setpriv', [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', 'sleep', '600']);
  t.after(() => child.kill('SIGKILL'));
  const identity = identify(child.pid ?? 0);
  assert.ok(identity !== null);
  return {
    identity,
    async end() {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

const exhausted = { code: 'host_resource_exhausted' };

test('a user is taken until its VMM has ended, also when who started it no longer cares', { skip }, async (t) => {
  const { users } = await usersOf(t);
  await using undo = new AsyncDisposableStack();
  const user = users.take(undo);
  assert.equal(user?.uid, uid);
  assert.throws(() => users.take(undo), exhausted);
  const vmm = processOf(t);
  user.handTo(vmm.identity);
  assert.throws(() => users.take(undo), exhausted);
  undo.move();
  await vmm.end();
  await using next = new AsyncDisposableStack();
  assert.equal(users.take(next)?.uid, uid);
});

test('a start that fails gives its user back', { skip }, async (t) => {
  const { users } = await usersOf(t);
  {
    await using undo = new AsyncDisposableStack();
    users.take(undo);
  }
  await using undo = new AsyncDisposableStack();
  assert.equal(users.take(undo)?.uid, uid);
});

test('the user of a maker that was killed is taken for as long as a process has it', { skip }, async (t) => {
  const { users, file } = await usersOf(t);
  const vmm = processOf(t);
  const registry = pathToFileURL(join(import.meta.dirname, '../store/uid-registry.ts')).href;
  const maker = `import { openUidRegistry } from '${registry}';
    openUidRegistry('${file}', { lowest: ${uid}, count: 1 }).claim(() => true);
    process.kill(process.pid, 'SIGKILL');`;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', maker]);
  assert.equal(signal, 'SIGKILL');
  await using undo = new AsyncDisposableStack();
  assert.throws(() => users.take(undo), exhausted);
  await vmm.end();
  assert.equal(users.take(undo)?.uid, uid);
});
