import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse, sandboxConfigSchema, type ErrorCode, type SandboxState } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { layoutAt } from '../layout.ts';
import { prepareLayout } from '../prepare-layout.ts';
import type { SandboxRecord, Store } from '../ports/store.ts';
import type { MachineRecord } from '../ports/vmm-driver.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { isAlive, ownIdentity, startTimeOf } from '../vmm/process-identity.ts';
import { terminate, waitForEnd } from '../vmm/terminate.ts';
import { createSandboxService } from './service.ts';
import { settle } from './reconcile.ts';

const id = 'abox0000000000000000';
/** A process that does not exist: pids go up to 4194304. */
const gone = { pid: 4_194_305, startTime: '1' };

interface Fixture {
  readonly context: EngineContext;
  readonly store: Store;
  readonly machine: MachineRecord;
  readonly sandboxes: ReturnType<typeof createSandboxService>;
  readonly state: () => SandboxState | undefined;
  /** A guest that is asked to power off waits for this first. */
  readonly powerOff: PromiseWithResolvers<void>;
  /** Whether the guest was asked to power off. */
  readonly asked: Promise<void>;
  /** The driver's way to end the VMM. */
  stop: () => Promise<void>;
}

/** A running sandbox whose VMM is a process that sleeps. */
async function running(t: TestContext, ephemeral = false): Promise<Fixture> {
  const home = mkdtempSync(join(tmpdir(), 'nova-end-'));
  // The users of VMMs have to pass through.
  chmodSync(home, 0o711);
  const layout = { ...layoutAt(home), run: join(home, 'run') };
  prepareLayout(layout);
  const store = openSqliteStore(layout.storeFile, layout.reserveFile);
  const vmm = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(vmm, 'spawn');
  t.after(async () => {
    vmm.kill('SIGKILL');
    store[Symbol.dispose]();
    rmSync(home, { recursive: true });
  });
  const pid = vmm.pid ?? 0;
  const identity = { pid, startTime: startTimeOf(pid) ?? '' };
  const directory = layout.sandbox(id);
  const machine: MachineRecord = {
    ...identity,
    driver: 'qemu',
    id,
    directory,
    socketDirectory: layout.sockets(id),
    channels: 1,
    cgroup: null,
  };
  store.addSandbox({
    id,
    name: 'box',
    owner: null,
    team: null,
    config: parse(sandboxConfigSchema, { ephemeral }, 'config'),
    hypervisor: 'qemu',
    memoryMb: 1,
    vcpus: 1,
    diskSizeMb: 1,
    createdAtMs: 1,
    maker: null,
  });
  store.changeSandbox(id, ['creating'], { state: 'running', machine, startedAtMs: 1 });
  const powerOff = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const end = (): Promise<void> => terminate(identity, 0);
  const fixture = { stop: end };
  const driver = {
    features: { virtualMachine: true },
    attach: () =>
      Promise.resolve(isAlive(identity) ? { record: machine, stop: () => fixture.stop(), release() {} } : null),
  };
  const agent = {
    shutdown: () => {
      asked.resolve();
      void powerOff.promise.then(end);
      return Promise.resolve();
    },
  };
  const context = {
    layout,
    store,
    drivers: new Map([['qemu', driver]]),
    links: { get: () => Promise.resolve({ agent }), drop: () => Promise.resolve() },
    network: { giveBack: () => Promise.resolve() },
  } as unknown as EngineContext;
  return Object.assign(fixture, {
    context,
    store,
    machine,
    sandboxes: createSandboxService(context),
    state: () => store.findSandbox(id)?.state,
    powerOff,
    asked: asked.promise,
  });
}

const refused = (code: ErrorCode, hint: RegExp) => ({ code, hint });

/** Makes the record that another process leaves when it has begun to stop the sandbox. */
function stoppedBy(store: Store, maker: SandboxRecord['maker'], change: Partial<SandboxRecord> = {}): SandboxRecord {
  const stopping = store.changeSandbox(id, ['running'], { state: 'stopping', maker, ...change });
  assert.ok(stopping !== null);
  return stopping;
}

test('a sandbox is stopping while its guest powers off: listed as such, and refused to those who would use it', async (t) => {
  const box = await running(t);
  const stopped = box.sandboxes.stop(id);
  await box.asked;
  assert.equal(box.state(), 'stopping');
  assert.deepEqual(
    (await box.sandboxes.list()).map(({ state }) => state),
    ['stopping'],
  );
  await assert.rejects(box.sandboxes.start(id), refused('invalid_state', /Wait until it has stopped/));
  await assert.rejects(box.sandboxes.pause(id), { code: 'invalid_state' });
  await assert.rejects(box.sandboxes.remove(id), refused('invalid_state', /Wait until it has stopped/));
  await assert.rejects(box.sandboxes.guestInfo(id), refused('sandbox_not_running', /Wait until it has stopped/));
  const second = box.sandboxes.stop(id);
  box.powerOff.resolve();
  for (const info of await Promise.all([stopped, second]))
    assert.deepEqual([info.state, info.reason], ['stopped', null]);
  const { machine, maker } = box.store.findSandbox(id) ?? {};
  assert.deepEqual([machine, maker], [null, null]);
});

test('a forced stop, and a forced removal, cut a stop short that waits for the guest', async (t) => {
  for (const how of ['stop', 'remove'] as const) {
    const box = await running(t);
    const stopped = box.sandboxes.stop(id);
    await box.asked;
    await box.sandboxes[how](id, { force: true });
    assert.equal((await stopped).state, 'stopped');
    assert.equal(box.state(), how === 'stop' ? 'stopped' : undefined);
  }
});

test('what a process that was killed had begun to stop is brought to its end by whoever looks next', async (t) => {
  const kept = await running(t);
  const found = await settle(kept.context, stoppedBy(kept.store, gone, { reason: 'its time to live ended' }));
  assert.deepEqual([found?.state, found?.reason, found?.maker], ['stopped', 'its time to live ended', null]);
  assert.ok(await waitForEnd(kept.machine, 0));

  const ephemeral = await running(t, true);
  stoppedBy(ephemeral.store, gone);
  assert.deepEqual(await ephemeral.sandboxes.list({ all: true }), []);
  assert.ok(await waitForEnd(ephemeral.machine, 0));

  const removed = await running(t);
  stoppedBy(removed.store, gone, { goesWithMaker: true });
  await assert.rejects(removed.sandboxes.get(id), { code: 'sandbox_not_found' });
});

test('one that another process is stopping is left to it, and is taken over by a removal', async (t) => {
  const box = await running(t);
  const other = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(other, 'spawn');
  t.after(() => other.kill('SIGKILL'));
  stoppedBy(box.store, { pid: other.pid ?? 0, startTime: startTimeOf(other.pid ?? 0) ?? '' });
  assert.equal((await box.sandboxes.get(id)).state, 'stopping');
  assert.ok(isAlive(box.machine));
  await box.sandboxes.remove(id, { force: true });
  assert.equal(box.state(), undefined);
});

test('a VMM that does not end leaves the sandbox stopping, and the next who looks tries again', async (t) => {
  const box = await running(t);
  const end = box.stop;
  box.stop = () => Promise.reject(new Error('survives SIGKILL'));
  await assert.rejects(box.sandboxes.stop(id, { force: true }), /survives SIGKILL/);
  assert.deepEqual([box.state(), box.store.findSandbox(id)?.maker], ['stopping', null]);
  // A list shows the sandbox as it is recorded.
  assert.deepEqual(
    (await box.sandboxes.list()).map(({ state }) => state),
    ['stopping'],
  );
  box.stop = end;
  assert.equal((await box.sandboxes.get(id)).state, 'stopped');
});

test('a VMM that ends by itself is cleaned up after once, however many notice it', async (t) => {
  const box = await running(t);
  const record = box.store.findSandbox(id);
  assert.ok(record !== null);
  let cleanups = 0;
  const context: EngineContext = {
    ...box.context,
    network: { ...box.context.network, giveBack: () => Promise.resolve(void cleanups++) },
  };
  await terminate(box.machine, 0);
  const seen = await Promise.all([settle(context, record), settle(context, record), settle(context, record)]);
  for (const each of seen)
    assert.deepEqual([each?.state, each?.reason], ['stopped', 'the guest powered off or its VMM ended']);
  assert.equal(cleanups, 1);
  // A late notice finds the sandbox as it is by then.
  box.store.changeSandbox(id, ['stopped'], { state: 'creating', maker: ownIdentity() });
  assert.equal((await settle(context, record))?.state, 'creating');
  assert.equal(cleanups, 1);
});

test('on a full disk the end is told though it cannot be recorded, a removal is done, and the rest once there is space', async (t) => {
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  const kept = await running(t);
  let space = false;
  const store: Store = {
    ...kept.store,
    changeSandbox: (...args) => {
      if (!space) throw full;
      return kept.store.changeSandbox(...args);
    },
  };
  const sandboxes = createSandboxService({ ...kept.context, store });
  assert.equal((await sandboxes.stop(id, { force: true })).state, 'stopped');
  assert.deepEqual([kept.state(), isAlive(kept.machine)], ['running', false]);
  space = true;
  assert.equal((await sandboxes.get(id)).state, 'stopped');
  assert.equal(kept.state(), 'stopped');

  // The claim is recorded, but the end of the work is not.
  const half = await running(t);
  let writes = 0;
  const halfStore: Store = {
    ...half.store,
    changeSandbox: (...args) => {
      if (++writes > 1 && writes < 4) throw full;
      return half.store.changeSandbox(...args);
    },
  };
  const halfway = createSandboxService({ ...half.context, store: halfStore });
  assert.equal((await halfway.stop(id, { force: true })).state, 'stopped');
  assert.equal(half.state(), 'stopping');
  assert.equal((await halfway.get(id)).state, 'stopped');
  assert.equal(half.state(), 'stopped');

  const ephemeral = await running(t, true);
  const none: Store = {
    ...ephemeral.store,
    changeSandbox: () => {
      throw full;
    },
  };
  await createSandboxService({ ...ephemeral.context, store: none }).stop(id, { force: true });
  assert.equal(ephemeral.state(), undefined);
});
