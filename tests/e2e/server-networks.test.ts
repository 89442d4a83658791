import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Network, Sandbox } from 'novasandbox';
import { createRemoteEngine } from '../../packages/sdk/src/remote/remote-engine.ts';
import { cliUnderTest } from '../support/nova-cli.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { whyNoSlots } from '../support/slots.ts';
import { tenant, type Tenant } from '../support/tenants.ts';

const skip = await whyNoSlots();
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

test('networks over REST', async () => {
  const body = { name: 'backend', subnet: '10.20.0.0/24', bridge_name: 'mybr0' };
  const made = await server.call('POST', '/networks', { body });
  assert.equal(made.status, 201, made.bytes.toString());
  const { id, created_at } = made.body;
  const whole = { id, created_at, owner: null, team: null, ...body, isolation: 'minimal', members: [] };
  assert.deepEqual({ ...made.body, owner: null, team: null }, whole);
  const again = await server.call('POST', '/networks', { body });
  assert.deepEqual([again.status, again.body.error.code], [409, 'network_exists']);
  const overlapping = await server.call('POST', '/networks', { body: { name: 'wide', subnet: '10.20.0.0/16' } });
  assert.deepEqual([overlapping.status, overlapping.body.error.code], [409, 'conflict']);
  for (const subnet of ['10.20.0.1/24', '8.8.8.0/24', '10.0.0.0/8', '172.16.255.0/24', '10.20.0.0', 'x'])
    assert.equal((await server.call('POST', '/networks', { body: { name: 'n', subnet } })).status, 422, subnet);
  for (const name of ['Backend', 'a.b', '10', '', 'a_b', '-a'])
    assert.equal((await server.call('POST', '/networks', { body: { name } })).status, 422, name);
  assert.equal((await server.call('POST', '/networks', { body: { name: 'n', bridge_name: 'm5' } })).status, 422);
  assert.deepEqual(
    (await server.ok('GET', '/networks')).networks.map(({ name }: { name: string }) => name),
    ['backend'],
  );
  assert.equal((await server.ok('PATCH', '/networks/backend', { isolation: 'moderate' })).isolation, 'moderate');
  assert.equal((await server.ok('GET', `/networks/${id.slice(0, 8)}`)).isolation, 'moderate');
  assert.equal((await server.call('PATCH', '/networks/backend', { body: { isolation: 'open' } })).status, 422);
  assert.equal((await server.call('DELETE', '/networks/backend')).status, 204);
  assert.equal((await server.call('GET', '/networks/backend')).body.error.code, 'network_not_found');
});

test('a network is its owner’s: nobody else lists, joins, changes or removes it', async () => {
  const as = (who: Tenant) => ({ key: who.key });
  assert.equal((await server.call('POST', '/networks', { body: { name: 'mine' }, ...as(ann) })).status, 201);
  const network = (await server.call('GET', '/networks/mine', as(ann))).body;
  assert.equal((await server.call('GET', '/networks', as(bob))).body.networks.length, 0);
  for (const ref of ['mine', network.id, network.id.slice(0, 8)]) {
    for (const [method, body] of [
      ['GET', undefined],
      ['PATCH', { isolation: 'strict' }],
      ['DELETE', undefined],
    ] as const) {
      const answer = await server.call(method, `/networks/${ref}`, { body, ...as(bob) });
      assert.deepEqual([answer.status, answer.body.error.code], [404, 'network_not_found'], `${method} ${ref}`);
    }
    const body = { networks: [ref] };
    assert.equal((await server.call('POST', '/vms', { body, ...as(bob) })).body.error.code, 'network_not_found');
  }
  // Names are unique among the networks of one owner.
  assert.equal((await server.call('POST', '/networks', { body: { name: 'mine' }, ...as(bob) })).status, 201);
  for (const who of [ann, bob]) assert.equal((await server.call('DELETE', '/networks/mine', as(who))).status, 204);
});

test('library and command line over a daemon: create, join, look, remove', { skip }, async () => {
  await using engine = createRemoteEngine({ url: server.url, apiKey: server.key });
  const network = await Network.create({ name: 'front', engine });
  await using cli = await cliUnderTest();
  const env = { NOVA_API_URL: server.url, NOVA_API_KEY: server.key };
  const nova = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cli.nova(argv, { env });
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  {
    await using db = await Sandbox.create({ name: 'db', networks: ['front'], memoryMb: 256, engine });
    assert.deepEqual((await engine.sandboxes.get(db.id)).networks, ['front']);
    const { subnet, members } = await network.getInfo();
    assert.deepEqual(
      members.map(({ sandboxName, state }) => [sandboxName, state]),
      [['db', 'running']],
    );
    const busy = await server.call('DELETE', '/networks/front');
    assert.deepEqual([busy.status, busy.body.error.code], [409, 'network_in_use']);
    const found = await nova('run', '-q', '--network', 'front', '--', 'getent', 'hosts', 'db.front');
    assert.equal(found.split(/\s+/)[0], members[0]?.address);
    assert.match(await nova('network', 'ls'), new RegExp(`^NAME.*\nfront +${network.id} +${subnet} +minimal +db`));
  }
  assert.equal(await nova('network', 'isolate', 'front', 'strict'), 'front: strict');
  assert.deepEqual(JSON.parse(await nova('network', 'inspect', 'front'))[0].members, []);
  assert.equal(await nova('network', 'rm', 'front'), 'front');
  assert.match(await nova('network', 'create', 'again', '--subnet', '10.31.0.0/28'), /^[a-z][a-z0-9]{19}$/);
  assert.deepEqual(
    (await Network.list({ engine })).map(({ name, subnet }) => [name, subnet]),
    [['again', '10.31.0.0/28']],
  );
  await (await Network.get('again', { engine })).remove();
});
