import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { isNovaError, NovaError, type ErrorCode } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Machine, MachineSpec, VmmDriver } from '../ports/vmm-driver.ts';
import { bringUp, startMachine, type BringUpOptions } from './bring-up.ts';

/** A driver and sessions that record their calls; `fails` is the step that goes wrong. */
function rig(fails: 'start' | 'answer' | 'configure' | null) {
  const did: string[] = [];
  const step = async (name: string, failing = false): Promise<void> => {
    did.push(name);
    if (failing) throw new NovaError('vmm_failed', `${name} failed`);
  };
  const start = async (name: string): Promise<Machine> => {
    await step(name, fails === 'start');
    const machine: Partial<Machine> = {
      record: { directory: '/nowhere' } as Machine['record'],
      exited: new Promise<void>(() => undefined),
      [Symbol.asyncDispose]: () => step('stop'),
    };
    return machine as Machine;
  };
  const driver: Partial<VmmDriver> = {
    name: 'qemu',
    launch: (_, { snapshotTo }) => start(snapshotTo === undefined ? 'launch' : `launch for ${snapshotTo}`),
    restore: (_, { directory }) => start(`restore ${directory}`),
  };
  const agent = {
    configure: (identity: { readonly hostname: string }) =>
      step(`configure ${identity.hostname}`, fails === 'configure'),
    [Symbol.asyncDispose]: () => step('close'),
  };
  const context = {
    links: { open: () => step('open', fails === 'answer').then(() => ({ agent, channel: 3 })) },
    store: { releaseLease: (id: string, channel: number) => did.push(`release ${id} ${channel}`) },
  } as unknown as EngineContext;
  const options: BringUpOptions = {
    driver: driver as VmmDriver,
    spec: { id: 'box' } as MachineSpec,
    bootTimeoutMs: 1000,
    identity: () => {
      did.push('ask for the identity');
      return { hostname: 'box' };
    },
  };
  return { did, bring: (more: Partial<BringUpOptions> = {}) => bringUp(context, { ...options, ...more }) };
}

const configured = ['open', 'ask for the identity', 'configure box'];
const undone = ['close', 'release box 3', 'stop'];

test('a guest is brought up by a cold boot, for a snapshot, or as a clone, and gets its identity when it has answered', async () => {
  for (const [how, first] of [
    [{}, 'launch'],
    [{ snapshotTo: 'work' }, 'launch for work'],
    [{ restore: { directory: 'golden' } }, 'restore golden'],
  ] as const) {
    const { did, bring } = rig(null);
    {
      await using guest = await bring(how);
      assert.equal(guest.channel, 3);
      assert.deepEqual(did.splice(0), [first, ...configured]);
    }
    assert.deepEqual(did, undone);
  }
});

test('a guest that does not start, answer or take its identity leaves nothing; one that is kept lives on', async () => {
  const left = {
    start: ['launch'],
    answer: ['launch', 'open', 'stop'],
    configure: ['launch', ...configured, ...undone],
  };
  for (const [fails, expected] of Object.entries(left) as [keyof typeof left, string[]][]) {
    const { did, bring } = rig(fails);
    await assert.rejects(bring(), { code: 'vmm_failed' });
    assert.deepEqual(did, expected);
  }
  const { did, bring } = rig(null);
  {
    await using guest = await bring();
    guest.keep();
  }
  assert.deepEqual(did, ['launch', ...configured]);
});

/** A VMM that answers nothing, started by a driver that heeds its signal. */
async function hangs(signal: AbortSignal): Promise<Machine> {
  await once(signal, 'abort');
  throw new NovaError('cancelled', 'Cancelled while the VMM was starting.');
}

const refused = (code: ErrorCode) => (error: unknown) => isNovaError(error, code);

test('a VMM that does not answer is given up after the time limit', async () => {
  await assert.rejects(startMachine(20, undefined, hangs), refused('boot_timeout'));
  await assert.rejects(startMachine(20, new AbortController().signal, hangs), refused('boot_timeout'));
});

test('who gives up before is told that, and other failures are told as they are', async () => {
  const caller = new AbortController();
  const started = startMachine(60_000, caller.signal, hangs);
  caller.abort();
  await assert.rejects(started, refused('cancelled'));
  const fails = (): Promise<Machine> => Promise.reject(new NovaError('vmm_failed', 'no memory'));
  await assert.rejects(startMachine(60_000, undefined, fails), refused('vmm_failed'));
});
