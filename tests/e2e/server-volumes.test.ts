import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Sandbox, Volume } from 'novasandbox';
import { createRemoteEngine } from '../../packages/sdk/src/remote/remote-engine.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { tenant, type Tenant } from '../support/tenants.ts';

let server: ServerUnderTest;
let ann: Tenant;
let bob: Tenant;

before(async () => {
  server = await serverUnderTest({ NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0' });
  [ann, bob] = [await tenant(server, { role: 'user' }), await tenant(server, { role: 'user' })];
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

test('volumes over REST', async () => {
  const made = await server.call('POST', '/volumes', { body: { name: 'data', size_mb: 128 } });
  assert.equal(made.status, 201);
  const { id } = made.body;
  assert.deepEqual([made.body.name, made.body.size_mb, made.body.used_by], ['data', 128, []]);
  assert.equal((await server.call('POST', '/volumes', { body: { name: 'data' } })).body.error.code, 'volume_exists');
  const vm = await server.vm({ name: 'box', volumes: [{ name: 'data', path: '/data' }] });
  assert.deepEqual(
    (await server.ok('GET', '/volumes')).volumes.map(({ name, used_by }: { name: string; used_by: unknown }) => [
      name,
      used_by,
    ]),
    [['data', [{ vm_id: vm.id, vm_name: 'box', status: 'running', path: '/data', read_only: false, attached: true }]]],
  );
  assert.deepEqual((await server.ok('GET', `/vms/${vm.id}/config`)).volumes, [
    { name: 'data', path: '/data', read_only: false },
  ]);
  const busy = await server.call('DELETE', '/volumes/data?force=true');
  assert.deepEqual([busy.status, busy.body.error.code], [409, 'volume_in_use']);
  await server.call('DELETE', `/vms/${vm.id}`);
  assert.equal((await server.ok('PATCH', '/volumes/data', { size_mb: 256 })).size_mb, 256);
  assert.equal((await server.call('PATCH', '/volumes/data', { body: { size_mb: 64 } })).status, 422);
  assert.equal((await server.ok('GET', `/volumes/${id.slice(0, 8)}`)).size_mb, 256);
  assert.equal((await server.call('DELETE', '/volumes/data')).status, 204);
  assert.equal((await server.call('GET', '/volumes/data')).body.error.code, 'volume_not_found');
});

test('a volume is its owner’s: nobody else lists, attaches, resizes or removes it', async () => {
  const as = (who: Tenant) => ({ key: who.key });
  assert.equal((await server.call('POST', '/volumes', { body: { name: 'mine' }, ...as(ann) })).status, 201);
  const volume = (await server.call('GET', '/volumes/mine', as(ann))).body;
  assert.equal((await server.call('GET', '/volumes', as(bob))).body.volumes.length, 0);
  for (const ref of ['mine', volume.id, volume.id.slice(0, 8)]) {
    for (const [method, body] of [
      ['GET', undefined],
      ['PATCH', { size_mb: 2048 }],
      ['DELETE', undefined],
    ] as const) {
      const answer = await server.call(method, `/volumes/${ref}`, { body, ...as(bob) });
      assert.deepEqual([answer.status, answer.body.error.code], [404, 'volume_not_found'], `${method} ${ref}`);
    }
    const body = { volumes: [{ name: ref, path: '/data' }] };
    assert.equal((await server.call('POST', '/vms', { body, ...as(bob) })).body.error.code, 'volume_not_found');
  }
  // Names are unique among the volumes of one owner.
  assert.equal((await server.call('POST', '/volumes', { body: { name: 'mine' }, ...as(bob) })).status, 201);
  for (const who of [ann, bob]) assert.equal((await server.call('DELETE', '/volumes/mine', as(who))).status, 204);
});

test('the library over a daemon: create, open, use, remove', async () => {
  await using engine = createRemoteEngine({ url: server.url, apiKey: server.key });
  const volume = await Volume.create({ engine, name: 'lib', sizeMb: 128 });
  {
    await using opened = await volume.open();
    await opened.sandbox.files.write(`${opened.path}/greeting`, 'hello');
    assert.equal(opened.readOnly, false);
  }
  await using box = await Sandbox.create({ engine, volumes: [{ name: 'lib', path: '/lib/data' }] });
  assert.equal(await box.files.read('/lib/data/greeting'), 'hello');
  assert.deepEqual(box.config.volumes, [{ name: 'lib', path: '/lib/data', readOnly: false }]);
  {
    await using opened = await volume.open();
    assert.equal(opened.sandbox.id, box.id);
    assert.equal(await opened.sandbox.files.read(`${opened.path}/greeting`), 'hello');
  }
  await assert.rejects(volume.remove(), { code: 'volume_in_use' });
  assert.equal((await volume.getInfo()).usedBy[0]?.sandboxId, box.id);
  await box.kill();
  assert.equal((await volume.resize(300)).sizeMb, 300);
  await Volume.remove('lib', { engine });
  assert.deepEqual(await Volume.list({ engine }), []);
  await assert.rejects(Volume.get('lib', { engine }), { code: 'volume_not_found' });
});
