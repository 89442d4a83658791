import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NovaError, parse, sandboxConfigSchema } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { MachineRecord } from '../ports/vmm-driver.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { pauseSandbox, resumeSandbox } from './pause.ts';

test('a pause or resume that cannot be recorded is undone: what is told of a sandbox is what it does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nova-pause-'));
  try {
    using store = openSqliteStore(join(folder, 'store.sqlite'), join(folder, 'reserve'));
    const made = {
      id: 'box1',
      name: null,
      owner: null,
      team: null,
      memoryMb: 1,
      vcpus: 1,
      diskSizeMb: 1,
      createdAtMs: 1,
    };
    store.addSandbox({ ...made, config: parse(sandboxConfigSchema, {}, 'config'), hypervisor: 'qemu', maker: null });
    const machine: MachineRecord = {
      ...ownIdentity(),
      driver: 'qemu',
      id: 'box1',
      directory: folder,
      socketDirectory: folder,
      channels: 1,
      cgroup: null,
    };
    store.changeSandbox('box1', ['creating'], { state: 'running', machine });
    let runs = true;
    let full = true;
    let answers = true;
    const driver = {
      attach: async () => ({
        pause: async () => (runs = false),
        resume: async () => (runs = true),
        standsStill: async () => !runs,
      }),
    };
    const context = {
      store: {
        ...store,
        changeSandbox: (...args: Parameters<typeof store.changeSandbox>) => {
          if (full) throw new NovaError('host_resource_exhausted', 'full');
          return store.changeSandbox(...args);
        },
      },
      drivers: new Map([['qemu', driver]]),
      links: {
        get: async () => {
          if (!answers) throw new NovaError('guest_unreachable', 'silent');
          return { agent: { setClock: async () => undefined } };
        },
      },
    } as unknown as EngineContext;

    await assert.rejects(pauseSandbox(context, 'box1'), { code: 'host_resource_exhausted' });
    assert.deepEqual([store.findSandbox('box1')?.state, runs], ['running', true]);
    full = false;
    await pauseSandbox(context, 'box1');
    assert.deepEqual([store.findSandbox('box1')?.state, runs], ['paused', false]);
    full = true;
    await assert.rejects(resumeSandbox(context, 'box1'), { code: 'host_resource_exhausted' });
    assert.deepEqual([store.findSandbox('box1')?.state, runs], ['paused', false]);
    [full, answers] = [false, false];
    await assert.rejects(resumeSandbox(context, 'box1'), { code: 'guest_unreachable' });
    assert.deepEqual([store.findSandbox('box1')?.state, runs], ['paused', false]);
    answers = true;
    await resumeSandbox(context, 'box1');
    assert.deepEqual([store.findSandbox('box1')?.state, runs], ['running', true]);
    // The process that paused it was killed before it recorded the pause.
    runs = false;
    await resumeSandbox(context, 'box1');
    assert.ok(runs);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
