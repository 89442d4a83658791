import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { checks } from './checks.ts';

test('whoever asks for readiness while hypervisors are probed is told so, and the probe goes on', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const probing = Promise.withResolvers<unknown[]>();
  const asked: unknown[][] = [];
  const parts = {
    store: { check: () => undefined },
    layout: { home: tmpdir() },
    quietEngine: {
      hypervisors: (...given: unknown[]) => {
        asked.push(given);
        return probing.promise;
      },
    },
  } as unknown as Parameters<typeof checks>[0];
  const first = checks(parts);
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  context.mock.timers.tick(2000);
  assert.deepEqual((await first).hypervisor, { ok: false, detail: 'the hypervisors are being probed' });
  assert.deepEqual(asked, [[]], 'no signal that could end the probe for others');
  const found = { name: 'qemu', features: { virtualMachine: true }, probe: { available: true, accelerator: 'kvm' } };
  probing.resolve([found]);
  assert.deepEqual((await checks(parts)).hypervisor, { ok: true, detail: 'qemu (kvm)' });
});
