import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse, sandboxConfigSchema, type SandboxConfigInput } from '@novasandbox/protocol';
import { pooledConfig, whyUnpoolable } from './pool-fields.ts';

const configOf = (input: SandboxConfigInput) => parse(sandboxConfigSchema, input, 'config');

test('what is set when a clone becomes a sandbox is no reason to make another', () => {
  const config = { name: 'a', env: { A: 'b' }, user: 'root', maxProcesses: 99, timeoutMs: 5, ephemeral: true };
  assert.equal(whyUnpoolable(configOf({ ...config, labels: { a: 'b' }, memoryMb: 300, guestPort: 1 })), null);
});

test('what cannot change once a clone runs is', () => {
  assert.equal(whyUnpoolable(configOf({ hostPort: 8080 })), 'host_port');
  assert.equal(whyUnpoolable(configOf({ rateLimits: { disk: { bytesPerSecond: 100_000 } } })), 'rate_limits');
  assert.equal(whyUnpoolable(configOf({ volumes: [{ name: 'v', path: '/v' }] })), 'volumes');
  assert.equal(whyUnpoolable(configOf({ kernelArgs: 'quiet' })), 'cold_boot');
});

test('a clone is made with the shape alone, and nothing of who asked first', () => {
  const shape = { memoryMb: 300, vcpus: 2, enableNetwork: false, readOnlyRootfs: true } as const;
  const asked = configOf({ ...shape, name: 'a', env: { SECRET: 's' }, user: 'root', labels: { a: 'b' }, timeoutMs: 5 });
  assert.deepEqual(pooledConfig(asked), configOf(shape));
});
