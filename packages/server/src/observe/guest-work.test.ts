import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '@novasandbox/engine';
import type { SandboxInfo } from '@novasandbox/protocol';
import { createGuestWork } from './guest-work.ts';

/** A guest whose figures and whose clock are set by the test. */
function guest() {
  const state = { nowMs: 0, cpuUsageUs: 0, networkRxBytes: 0, looks: 0 };
  const stats = async () => {
    state.looks++;
    return state;
  };
  const work = createGuestWork({ sandboxes: { stats } } as unknown as Engine, () => state.nowMs);
  const info = { id: 'box', startedAt: 'then', metadata: { bootKind: 'snapshot' } } as SandboxInfo;
  /** Its use after so many ms. */
  const after = (ms: number, cpuMs: number, bytes: number, about: Partial<SandboxInfo> = {}) => {
    state.nowMs += ms;
    state.cpuUsageUs += cpuMs * 1000;
    state.networkRxBytes += bytes;
    return work.hasWorked({ ...info, ...about }, 5000);
  };
  return { state, work, after };
}

test('a guest works that computes, or that something comes to over its network; one at rest does not', async () => {
  const { after } = guest();
  assert.equal(await after(0, 1000, 1000), undefined, 'nobody knows yet');
  // As measured of clones at rest.
  assert.equal(await after(5000, 70, 0), false);
  assert.equal(await after(20_000, 280, 42), false);
  assert.equal(await after(5000, 5000, 0), true);
  assert.equal(await after(5000, 70, 300), true);
  assert.equal(await after(5000, 70, 0), false);
});

test('it is looked at once in a window, and anew after it was started again or was busy otherwise', async () => {
  const { state, work, after } = guest();
  await after(0, 0, 0);
  assert.equal(await after(4000, 4000, 4000), undefined, 'it may have worked since');
  assert.equal(state.looks, 1);
  assert.equal(await after(1000, 0, 0), true);
  assert.equal(await after(5000, -1000, 0, { startedAt: 'again' }), undefined);
  work.forget('box');
  assert.equal(await after(5000, 5000, 5000, { startedAt: 'again' }), undefined);
  const asProcess = { bootKind: 'process' } as SandboxInfo['metadata'];
  assert.equal(await after(5000, 5000, 5000, { metadata: asProcess }), false, 'its figures are the host’s');
});
