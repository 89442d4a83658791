import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLauncher, layoutAt, openNetwork, openSlotRegistry, ownIdentity } from '@novasandbox/engine';
import { identify } from '../packages/engine/src/vmm/process-identity.ts';
import { eventually } from './support/eventually.ts';
import { assertNoLeaks } from './support/leaks.ts';
import { runOnHost } from './support/run-on-host.ts';
import { slotAddressOf, whyNoSlots } from './support/slots.ts';
import { testHome } from './support/test-home.ts';

const skip = await whyNoSlots();
const churn = join(import.meta.dirname, '../packages/engine/src/network/testing/churn.ts');

test('a slot is taken, is as it has to be, and leaves nothing when it is given back', { skip }, async () => {
  await using home = await testHome();
  await using network = openNetwork(home.layout, createLauncher());
  const slot = await network.take('box', { forwards: [{ hostPort: 23_901, guestPort: 80 }] });
  const { namespace, tap } = slot.machine;
  assert.match(runOnHost(`ip -n ${namespace} -o link show ${tap}`), /tap0/);
  assert.match(runOnHost('nft list map inet novasandbox forwards'), /23901 : 198\.18\.\d+\.\d+ \. 80/);
  await network.giveBack('box');
  await network.giveBack('box');
  assert.equal(slotAddressOf(home.layout, 'box'), null);
  await assertNoLeaks(home.layout);
});

test(
  'a slot is made in the namespace of a process that runs, as often as asked, and never in one that is shared',
  { skip },
  async () => {
    await using home = await testHome();
    await using network = openNetwork(home.layout, createLauncher());
    const child = spawn('unshare', ['--net', 'sh', '-c', 'echo here; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      const within = identify(child.pid ?? 0);
      assert.ok(within !== null);
      const inside = (command: string): string => runOnHost(`nsenter --target ${within.pid} --net ${command}`);
      for (let round = 0; round < 2; round++) {
        const slot = await network.take('box', { forwards: [], within });
        assert.deepEqual(network.held('box'), slot);
        assert.match(inside('ip -o addr show tap0'), /172\.16\.255\.1/);
        // There is one rule, however often the namespace was set up.
        assert.equal(inside('nft list table ip slot').match(/snat to/g)?.length, 1);
        await network.giveBack('box');
        assert.equal(network.held('box'), null);
        assert.doesNotMatch(inside('ip -o link'), /up0/);
      }
      await assert.rejects(network.take('box', { forwards: [], within: ownIdentity() }), { code: 'network_failed' });
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    await assertNoLeaks(home.layout);
  },
);

/** Numbers of the slots that this process keeps ready. */
function readySlots(): number[] {
  using registry = openSlotRegistry(layoutAt().slotRegistryFile, 1);
  const own = registry.list().filter(({ state, holder }) => state === 'ready' && holder.pid === process.pid);
  return own.map(({ number }) => number);
}

test('an abort while a slot is made leaves nothing', { skip }, async () => {
  await using home = await testHome();
  await using network = openNetwork(home.layout, createLauncher());
  for (const afterMs of [0, 5, 10, 20, 40]) {
    const over = new AbortController();
    const taking = network.take('box', { forwards: [], signal: over.signal });
    setTimeout(() => over.abort(), afterMs);
    await taking.then(
      () => network.giveBack('box'),
      (error: unknown) => assert.equal((error as { code?: string }).code, 'cancelled', String(error)),
    );
    await assertNoLeaks(home.layout);
  }
});

test('ready slots are taken at once, and go with the process that kept them', { skip }, async () => {
  await using home = await testHome();
  {
    await using network = openNetwork(home.layout, createLauncher(), { slots: 2 });
    await network.reclaim();
    await eventually('two are ready', () => readySlots().length === 2, 60_000);
    const [first, second] = readySlots();
    const { machine } = await network.take('box', { forwards: [] });
    assert.equal(machine.namespace, `nova-${first}`);
    assert.deepEqual(readySlots(), [second]);
    // They are made once the sandbox has its VMM.
    network.handTo('box', ownIdentity());
    await eventually('two are ready again', () => readySlots().length === 2, 60_000);
    await network.giveBack('box');
  }
  await assertNoLeaks(home.layout);
});

test('whoever has taken two slots finds the third ready', { skip }, async () => {
  await using home = await testHome();
  {
    await using network = openNetwork(home.layout, createLauncher());
    for (const box of ['first', 'second']) {
      assert.deepEqual(readySlots(), []);
      await network.take(box, { forwards: [] });
      network.handTo(box, ownIdentity());
    }
    await eventually('one is ready', () => readySlots().length === 1, 60_000);
    const [ready] = readySlots();
    const { machine } = await network.take('third', { forwards: [] });
    assert.equal(machine.namespace, `nova-${ready}`);
    for (const box of ['first', 'second', 'third']) await network.giveBack(box);
  }
  await assertNoLeaks(home.layout);
});

test(
  'whoever makes and removes slots may be killed at any moment: the next one clears up',
  { skip, timeout: 180_000 },
  async () => {
    await using home = await testHome();
    // It removes only its own; those of other processes of this host are not touched.
    await using bystander = await testHome();
    await using network = openNetwork(bystander.layout, createLauncher());
    await network.take('bystander', { forwards: [] });
    const address = slotAddressOf(bystander.layout, 'bystander');
    for (let round = 0; round < 8; round += 1) {
      const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', churn, home.home, '23902'], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: home.env,
      });
      await once(child.stdout, 'data');
      await delay(round * 13);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await network.reclaim();
      await assertNoLeaks(home.layout);
    }
    assert.equal(slotAddressOf(bystander.layout, 'bystander'), address);
    await network.giveBack('bystander');
    await assertNoLeaks(bystander.layout);
  },
);
