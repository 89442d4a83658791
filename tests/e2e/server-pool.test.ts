import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEngine, processesNaming } from '@novasandbox/engine';
import { poolOfWire, poolSchema } from '@novasandbox/protocol/api';
import { findLeaks } from '../support/leaks.ts';
import { readyClones } from '../support/pool.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { testHome } from '../support/test-home.ts';

/** A daemon as users start it, with its warm pool. */
async function withPool(): Promise<ServerUnderTest> {
  const home = await testHome();
  await using builder = await createEngine({ home: home.home });
  await builder.templates.build('base');
  return await serverUnderTest({ NOVA_POOL_SIZE: 'auto' }, home);
}

const statusOf = (server: ServerUnderTest) => async () => poolOfWire(poolSchema.parse(await server.ok('GET', '/pool')));

test('the daemon keeps a clone of base ready; a create gets it, also with an Idempotency-Key, and all is told', async () => {
  await using server = await withPool();
  const status = statusOf(server);
  const [clone] = await readyClones(status);
  assert.equal(clone?.templateId, 'base');
  assert.deepEqual((await server.ok('GET', '/vms?status=all')).vms, []);
  assert.equal((await server.call('GET', `/vms/${clone.id}`)).status, 404);

  const headers = { 'idempotency-key': 'first' };
  const made = await server.call('POST', '/vms', { body: { name: 'one', timeout_seconds: 120 }, headers });
  assert.deepEqual([made.status, made.body.id, made.body.name], [201, clone.id, 'one']);
  const again = await server.call('POST', '/vms', { body: { name: 'one', timeout_seconds: 120 }, headers });
  assert.deepEqual([again.status, again.body.id], [201, clone.id]);
  const ran = await server.ok('POST', `/vms/${clone.id}/execute`, { command: 'hostname' });
  assert.equal(ran.stdout, 'one\n');

  await server.vm({ memory_mb: 300, network: false });
  const [shape] = (await status()).shapes.filter(({ memoryMb }) => memoryMb === 300);
  assert.deepEqual([shape?.wanted, shape?.misses], [1, 1], 'what was asked for lately is kept too');

  const metrics = (await server.call('GET', '//metrics')).bytes.toString();
  assert.match(metrics, /^microvm_pool_hits_total 1$/m);
  assert.match(metrics, /^microvm_pool_misses_total\{reason="empty"\} 1$/m);
  assert.match(metrics, /^microvm_pool_discards_total\{reason="no_answer"\} 0$/m);
  assert.match(metrics, /^microvm_pool_clones\{state="wanted"\} 2$/m);
  const events = (await server.call('GET', '/events?type=pool&since=0&follow=false')).bytes.toString();
  const types = events
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { type: string }).type);
  assert.deepEqual([types[0], types[1]], ['pool.made', 'pool.hit']);
  assert.ok(types.includes('pool.missed'), types.join());

  const user = await server.ok('POST', '/security/api-keys', { name: 'user', role: 'user' });
  for (const [method, path] of [
    ['GET', '/pool'],
    ['POST', '/pool/drain'],
  ] as const)
    assert.equal((await server.call(method, path, { key: user.key })).status, 403, path);
  assert.ok((await server.ok('POST', '/pool/drain')).ended >= 0);
  assert.deepEqual((await status()).clones, []);
});

test('a daemon that is killed leaves clones, and the next one ends them', async () => {
  await using server = await withPool();
  const { layout } = server.home;
  const [clone] = await readyClones(statusOf(server));
  await server.end('SIGKILL');
  assert.equal(processesNaming(layout.sockets(clone?.id ?? '')).length, 1);
  await server.restart();
  const [next] = await readyClones(statusOf(server));
  assert.notEqual(next?.id, clone?.id);
  assert.deepEqual(processesNaming(layout.sockets(clone?.id ?? '')), []);
});

test('a daemon that ends takes its clones along', async () => {
  await using server = await withPool();
  await readyClones(statusOf(server));
  assert.equal(await server.end('SIGTERM'), 0);
  assert.deepEqual(await findLeaks(server.home.layout), []);
  await server.restart();
});
