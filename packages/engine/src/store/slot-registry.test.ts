import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ownIdentity } from '../vmm/process-identity.ts';
import { openSlotRegistry } from './slot-registry.ts';

async function registryFile(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nova-slots-'));
  t.after(() => rm(directory, { recursive: true }));
  return join(directory, 'run', 'slots.sqlite');
}
const owner = (sandbox: string, home = '/a'): { home: string; sandbox: string } => ({ home, sandbox });

test('numbers come round as late as possible, and end', async (t) => {
  using registry = openSlotRegistry(await registryFile(t), 3);
  assert.equal(registry.reserve(owner('a'), [])?.number, 1);
  assert.equal(registry.reserve(owner('b'), [])?.number, 2);
  registry.remove(1, () => assert.fail('there is another'));
  assert.equal(registry.reserve(owner('c'), [])?.number, 3);
  assert.equal(registry.reserve(owner('d'), [])?.number, 1);
  assert.equal(registry.reserve(owner('e'), []), null);
});

test('a slot is made, kept ready, taken, handed over, removed', async (t) => {
  const file = await registryFile(t);
  using registry = openSlotRegistry(file, 8);
  using other = openSlotRegistry(file, 8);
  const slot = registry.reserve(null, []);
  assert.deepEqual(slot, { number: 1, state: 'making', holder: ownIdentity(), owner: null, forwards: [] });
  assert.equal(other.takeReady(owner('x'), []), null);
  registry.made(1);
  const forwards = [{ hostPort: 8080, guestPort: 80 }];
  const taken = other.takeReady(owner('x'), forwards);
  assert.deepEqual(taken, { number: 1, state: 'held', holder: ownIdentity(), owner: owner('x'), forwards });
  assert.equal(registry.takeReady(owner('y'), []), null);
  registry.handTo(owner('x'), { pid: 1, startTime: 'then' });
  assert.deepEqual(other.find(owner('x'))?.holder, { pid: 1, startTime: 'then' });
  // A process that saw the slot before it was handed over leaves it alone.
  assert.ok(taken !== null && !registry.startRemoval(taken));
  const now = registry.list()[0];
  assert.ok(now !== undefined && registry.startRemoval(now));
  assert.equal(registry.find(owner('x'))?.state, 'going');
  let last = 0;
  registry.remove(1, () => (last += 1));
  assert.equal(last, 1);
  assert.deepEqual(other.list(), []);
});

test('sandboxes of different state folders may have one id, but no two have one port', async (t) => {
  using registry = openSlotRegistry(await registryFile(t), 8);
  registry.reserve(owner('x', '/a'), [{ hostPort: 8080, guestPort: 80 }]);
  assert.throws(() => registry.reserve(owner('x', '/b'), [{ hostPort: 8080, guestPort: 80 }]), { code: 'port_in_use' });
  assert.equal(registry.find(owner('x', '/b')), null);
  assert.equal(registry.reserve(owner('x', '/b'), [])?.number, 2);
  registry.remove(1, () => undefined);
  assert.equal(registry.reserve(owner('y'), [{ hostPort: 8080, guestPort: 80 }])?.forwards.length, 1);
});

test('a forgotten slot is adopted by whoever lives in it', async (t) => {
  using registry = openSlotRegistry(await registryFile(t), 8);
  registry.adopt(2, { pid: 1, startTime: 'then' });
  registry.adopt(2, { pid: 3, startTime: 'now' });
  assert.deepEqual(registry.list(), [
    { number: 2, state: 'held', holder: { pid: 1, startTime: 'then' }, owner: null, forwards: [] },
  ]);
  assert.equal(registry.takeReady(owner('x'), []), null);
});

test('when the last has gone nothing of it is undone half', async (t) => {
  using registry = openSlotRegistry(await registryFile(t), 8);
  registry.reserve(null, []);
  registry.locked(() => registry.setForwardingInterfaces(['eth0', 'wlan0']));
  assert.deepEqual(registry.forwardingInterfaces(), ['eth0', 'wlan0']);
  assert.throws(() =>
    registry.remove(1, () => {
      registry.setForwardingInterfaces([]);
      throw new Error('the rules could not be removed');
    }),
  );
  assert.equal(registry.list().length, 1);
  assert.deepEqual(registry.forwardingInterfaces(), ['eth0', 'wlan0']);
});
