import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, sandboxConfigSchema } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { layoutAt } from '../layout.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { keptMemory } from './kept-memory.ts';
import { stopSandbox } from './stop.ts';
import { takeTurn } from './turn.ts';

const id = 'abox0000000000000000';
const sleep = { memory: true, memoryFrom: null, diskWrittenNs: null };

test('a hibernated sandbox that is stopped keeps its memory for as long as another works on it', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'nova-kept-'));
  t.after(() => rmSync(home, { recursive: true }));
  const layout = layoutAt(home);
  using store = openSqliteStore(join(home, 'store.sqlite'), join(home, 'reserve'));
  const sizes = { memoryMb: 1, vcpus: 1, diskSizeMb: 1 };
  const config = parse(sandboxConfigSchema, {}, 'config');
  const who = { id, name: null, owner: null, team: null, createdAtMs: 1, maker: null };
  store.addSandbox({ ...who, ...sizes, config, hypervisor: 'qemu' });
  let asked = Promise.withResolvers<void>();
  const takeLease: typeof store.takeLease = (thing, count) => {
    const taken = store.takeLease(thing, count);
    if (taken === null) asked.resolve();
    return taken;
  };
  const context = { layout, store: { ...store, takeLease } } as unknown as EngineContext;
  const memory = keptMemory(context, id);

  for (const becomes of ['hibernated', 'stopped'] as const) {
    store.changeSandbox(id, ['creating', 'stopped'], { state: 'creating', maker: ownIdentity() });
    store.changeSandbox(id, ['creating'], { state: 'hibernated', sleep, maker: null });
    mkdirSync(memory, { recursive: true });
    asked = Promise.withResolvers();
    const turn = await takeTurn(context, id, undefined);
    const stopping = stopSandbox(context, id);
    await Promise.race([asked.promise, stopping]);
    assert.deepEqual([store.findSandbox(id)?.state, existsSync(memory)], ['hibernated', true]);
    if (becomes === 'stopped') store.changeSandbox(id, ['hibernated'], { state: 'stopped', sleep: null });
    await turn[Symbol.asyncDispose]();
    assert.equal((await stopping).state, 'stopped');
    const { state, sleep: left } = store.findSandbox(id) ?? {};
    assert.deepEqual([state, left], ['stopped', null]);
    // Memory of a sandbox that another has changed meanwhile is left to that one.
    assert.equal(existsSync(memory), becomes === 'stopped');
  }
});
