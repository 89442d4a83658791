import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Sandbox } from 'novasandbox';
import { eventually } from '../support/eventually.ts';
import { finished, novaCommand } from '../support/nova-cli.ts';
import { listen, serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { tenant, type Tenant } from '../support/tenants.ts';

let server: ServerUnderTest;
let ann: Tenant;
let bob: Tenant;

before(async () => {
  server = await serverUnderTest({ NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0' });
  ann = await tenant(server, { role: 'user' });
  bob = await tenant(server, { role: 'user' });
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

const remove = async (...ids: string[]): Promise<void> => {
  for (const id of ids) assert.equal((await server.call('DELETE', `/vms/${id}`)).status, 204);
};

test('two owners may each have a sandbox of one name: each reaches their own, one owner has it once', async () => {
  const [anns, bobs] = [await ann.vm({ name: 'box' }), await bob.vm({ name: 'box' })];
  assert.deepEqual((await server.call('POST', '/vms', { key: ann.key, body: { name: 'box' } })).status, 409);
  for (const [who, id] of [
    [ann, anns],
    [bob, bobs],
  ] as const) {
    assert.equal((await server.call('GET', '/vms/box', { key: who.key })).body.id, id);
    assert.deepEqual(await who.list(), [id]);
    const said = await server.call('POST', '/vms/box/execute', { key: who.key, body: { command: 'hostname' } });
    assert.equal(said.body.stdout, 'box\n');
  }
  // A caller who sees both has to say which; their own comes first.
  const both = await server.call('GET', '/vms/box');
  assert.deepEqual([both.status, both.body.error.code], [409, 'conflict']);
  const { id } = await server.vm({ name: 'box' });
  assert.equal((await server.ok('GET', '/vms/box')).id, id);
  assert.equal((await server.ok('GET', '/vms/box')).owner, null);
  assert.equal((await server.ok('GET', `/vms/${anns}`)).owner, ann.owner);
  assert.deepEqual(
    (await server.ok('GET', `/vms?owner=${bob.owner}`)).vms.map((vm: { id: string }) => vm.id),
    [bobs],
  );
  assert.equal((await server.ok('GET', '/vms')).total, 3);
  assert.equal((await server.call('DELETE', '/vms/box', { key: bob.key })).status, 204);
  assert.deepEqual([await ann.sees(anns), await bob.sees('box')], [true, false]);
  // Owners and names outlive the daemon.
  await server.end('SIGKILL');
  await server.restart();
  assert.deepEqual([await ann.sees('box'), await bob.sees(anns), await ann.list()], [true, false, [anns]]);
  await remove(anns, id);
});

test('a team: its power users act on what its members have, its users on their own alone, others on nothing', async () => {
  const mate = await tenant(server, { role: 'user', team: 'crew' });
  const lead = await tenant(server, { role: 'power_user', team: 'crew' });
  const looker = await tenant(server, { role: 'power_user', team: 'crew', scopes: ['vm:read'] });
  const watcher = await tenant(server, { role: 'readonly', team: 'crew' });
  const rival = await tenant(server, { role: 'power_user', team: 'others' });
  const id = await mate.vm({ name: 'shared' });
  const leads = await lead.vm({ name: 'leads' });
  for (const [who, sees] of [
    [mate, [id]],
    [lead, [id, leads]],
    [looker, [id, leads]],
    [watcher, []],
    [rival, []],
    [ann, []],
  ] as const) {
    assert.deepEqual((await who.list()).toSorted(), [...sees].toSorted());
    assert.equal(await who.sees('shared'), sees.length > 0);
  }
  assert.equal((await server.call('GET', '/vms/shared', { key: lead.key })).body.team, 'crew');
  assert.equal((await lead.list('&team=crew')).length, 2);
  assert.deepEqual(await lead.list(`&owner=${mate.owner}`), [id]);
  const run = { body: { command: 'true' } };
  assert.equal((await server.call('POST', '/vms/shared/execute', { key: lead.key, ...run })).body.exit_code, 0);
  assert.equal((await server.call('POST', '/vms/shared/execute', { key: looker.key, ...run })).status, 403);
  assert.equal((await server.call('POST', '/vms/leads/execute', { key: mate.key, ...run })).status, 404);
  assert.equal((await server.call('DELETE', '/vms/shared', { key: rival.key })).status, 404);
  await remove(id, leads);
});

test("a user's keys are the user; a removed user's are good for nothing, and the name is nobody else's while their VMs are there", async () => {
  const password = 'correct horse battery';
  const carol = { username: 'carol', password };
  await server.ok('POST', '/security/users', { ...carol, role: 'user' });
  const logIn = async (): Promise<string> =>
    (await server.call('POST', '/security/auth/login', { key: null, body: carol })).body.access_token;
  const token = await logIn();
  const hers = await tenant(server, { role: 'user', username: 'carol' });
  assert.equal(hers.owner, 'user:carol');
  const idempotent = { body: { name: 'once' }, headers: { 'idempotency-key': 'once' } };
  const made = (await server.call('POST', '/vms', { key: token, ...idempotent })).body.id;
  assert.deepEqual(await hers.list(), [made]);
  const socket = server.socket('/system/events', hers.key);
  await once(socket, 'open');
  assert.equal((await server.call('DELETE', '/security/users/carol')).status, 204);
  assert.equal((await once(socket, 'close'))[0], 1008);
  for (const key of [token, hers.key]) assert.equal((await server.call('GET', '/vms', { key })).status, 401);
  assert.equal((await server.call('POST', '/security/users', { body: carol })).status, 409);
  await remove(made);
  await server.ok('POST', '/security/users', carol);
  const again = await logIn();
  const anew = await server.call('POST', '/vms', { key: again, ...idempotent });
  assert.deepEqual([anew.status, anew.headers.get('idempotency-replayed')], [201, null]);
  await remove(anew.body.id);
  assert.equal((await server.call('POST', '/security/api-keys', { body: { name: 'x', username: 'no' } })).status, 404);
});

test('nova ls, the SDK and an admin over a daemon: everybody sees their own, an admin all or those of one owner', async () => {
  const [anns, bobs] = [await ann.vm({ name: 'cli' }), await bob.vm({ name: 'cli' })];
  const { id: hosts } = await server.vm();
  const ls = async (key: string, ...more: string[]): Promise<string> => {
    const env = { ...server.home.env, NOVA_API_URL: server.url, NOVA_API_KEY: key };
    const child = spawn(process.execPath, [...novaCommand.slice(1), 'ls', ...more], { env });
    const { code, stdout, stderr } = await finished(child);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  assert.equal(await ls(ann.key, '-q'), anns);
  assert.match(await ls(ann.key), new RegExp(`OWNER +TEAM\\n${anns} .* ${ann.owner} +${ann.owner}$`));
  assert.deepEqual(new Set((await ls(server.key, '-q')).split('\n')), new Set([anns, bobs, hosts]));
  assert.equal(await ls(server.key, '-q', '--owner', bob.owner), bobs);
  assert.equal(await ls(ann.key, '-q', '--owner', bob.owner), '');

  const way = { apiUrl: server.url, apiKey: ann.key };
  const [info] = await Sandbox.list(way);
  assert.deepEqual([info?.id, info?.owner, info?.team], [anns, ann.owner, ann.owner]);
  assert.deepEqual(await Sandbox.list({ ...way, owner: bob.owner }), []);
  await assert.rejects(Sandbox.connect(bobs, way), { code: 'sandbox_not_found' });
  await using byName = await Sandbox.connect('cli', way);
  assert.equal(byName.id, anns);
  // Its labels are returned as they were given, even where the daemon keeps some of its own beside them.
  const e2b = await server.call('POST', '//sandboxes', {
    key: ann.key,
    body: { templateID: 'base', metadata: { a: 'b' } },
  });
  await using made = await Sandbox.connect(e2b.body.sandboxID, way);
  assert.deepEqual(made.config.labels, { a: 'b' });
  await remove(anns, bobs, hosts, e2b.body.sandboxID);
});

test('events: a stranger hears nothing of a sandbox, its owner and an admin do, also later', async () => {
  const as = (key: string, since = '') => listen(server.socket(`/system/events${since}`, key));
  const [anns, bobs, admins] = [as(ann.key), as(bob.key), as(server.key)];
  const heard = ({ texts }: typeof anns) => texts.map(({ type, vm_id }) => `${String(type)} ${String(vm_id)}`);
  // All three are connected, and each gets only their own events.
  const own = await bob.vm({ name: 'of-bob' });
  await eventually('bob hears of his', () => heard(bobs).includes(`vm.created ${own}`));
  const id = await ann.vm({ name: 'loud' });
  await server.call('POST', `/vms/${id}/execute`, { key: ann.key, body: { command: 'true' } });
  await server.call('POST', '/vms', { key: ann.key, body: { name: 'loud' } });
  await server.call('POST', `/vms/${id}/pause`, { key: ann.key });
  await server.call('DELETE', `/vms/${id}`, { key: ann.key });
  await server.call('DELETE', `/vms/${own}`, { key: bob.key });
  for (const talk of [anns, admins]) {
    await eventually('the end', () => heard(talk).includes(`vm.removed ${id}`));
    for (const type of ['vm.created', 'command.started', 'command.ended', 'vm.paused'])
      assert.ok(heard(talk).includes(`${type} ${id}`), type);
    assert.ok(heard(talk).includes('vm.failed null'));
  }
  await eventually('bob hears of the end of his', () => heard(bobs).includes(`vm.removed ${own}`));
  const late = as(bob.key, '?since=0');
  await eventually('what was before', () => heard(late).includes(`vm.removed ${own}`));
  for (const talk of [bobs, late])
    for (const text of talk.texts) assert.ok(!/loud/.test(JSON.stringify(text)) && text['vm_id'] !== id);
  assert.ok(!heard(anns).some((text) => text.endsWith(own)));
});

test('an Idempotency-Key is its sender’s alone', async () => {
  const create = (who: Tenant) =>
    server.call('POST', '/vms', { key: who.key, body: {}, headers: { 'idempotency-key': 'same' } });
  const [anns, bobs] = [await create(ann), await create(bob)];
  assert.notEqual(anns.body.id, bobs.body.id);
  assert.equal((await create(ann)).body.id, anns.body.id);
  await remove(anns.body.id, bobs.body.id);
});

test('a port and the agent API of a sandbox are let to its owner, and to nobody else with a key or a token of another', async () => {
  const [id, other] = [await ann.vm(), await bob.vm()];
  await server.call('POST', `/vms/${id}/processes`, {
    key: ann.key,
    body: {
      command: [
        'python3',
        '-c',
        "import socket\ns = socket.create_server(('127.0.0.1', 3000))\nwhile True:\n  c, _ = s.accept(); c.recv(65536); c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok'); c.close()",
      ],
    },
  });
  const at = (sandbox: string, port: number, path: string, headers: Record<string, string>) =>
    server.call('GET', `//${path}`, {
      key: null,
      headers: { 'e2b-sandbox-id': sandbox, 'e2b-sandbox-port': String(port), ...headers },
    });
  const with_ = (key: string) => ({ 'x-api-key': key });
  await eventually('the port is open', async () => (await at(id, 3000, '', with_(ann.key))).status === 200, 60_000);
  assert.equal((await at(id, 3000, '', with_(server.key))).bytes.toString(), 'ok');
  const anonymous = await at(id, 3000, '', {});
  assert.equal(anonymous.status, 403);
  assert.deepEqual((await at(id, 3000, '', with_(bob.key))).body, anonymous.body);

  const tokenOf = async (sandbox: string, who: Tenant): Promise<string> =>
    (await server.call('GET', `//sandboxes/${sandbox}`, { key: who.key })).body.envdAccessToken;
  const [anns, bobs] = [await tokenOf(id, ann), await tokenOf(other, bob)];
  assert.equal((await server.call('GET', `//sandboxes/${id}`, { key: bob.key })).status, 404);
  const file = (sandbox: string, headers: Record<string, string>) =>
    at(sandbox, 49_983, 'files?path=/etc/hostname', headers);
  assert.equal((await file(id, { 'x-access-token': anns })).status, 200);
  for (const headers of [{}, { 'x-access-token': bobs }, with_(bob.key), with_(ann.key)])
    assert.equal((await file(id, headers)).status, 401, Object.keys(headers).join());

  // A signed address does not name the sandbox: it leads to the one whose token signed it.
  for (const [who, sandbox, text] of [
    [ann, id, 'of ann'],
    [bob, other, 'of bob'],
  ] as const)
    await server.call('PUT', `/vms/${sandbox}/files/content?path=/tmp/mine`, {
      key: who.key,
      raw: Buffer.from(text),
      headers: { 'content-type': 'application/octet-stream' },
    });
  const signed = (token: string): string => {
    const digest = createHash('sha256').update(`/tmp/mine:read::${token}`).digest('base64').replaceAll('=', '');
    return `//files?path=/tmp/mine&signature=${encodeURIComponent(`v1_${digest}`)}`;
  };
  const fetched = async (path: string, headers = {}) => {
    const { status, bytes } = await server.call('GET', path, { key: null, headers });
    return status === 200 ? bytes.toString() : String(status);
  };
  assert.deepEqual([await fetched(signed(anns)), await fetched(signed(bobs))], ['of ann', 'of bob']);
  assert.equal(await fetched(signed('x')), '401');
  assert.equal(await fetched(signed(bobs), { 'e2b-sandbox-id': id }), '401');
  await remove(id, other);
});

const refused = async (who: Tenant, path: string, body: unknown): Promise<string> => {
  const answer = await server.call('POST', path, { key: who.key, body });
  assert.equal(answer.status, 403, `${path} ${JSON.stringify(body)}`);
  return answer.body.error?.details.permission ?? answer.body.message;
};

test('labels that mean something are refused on every way in, whoever sends them', async () => {
  const maker = await tenant(server, { role: 'user', scopes: ['vm:create', 'vm:read'] });
  const reserved = { 'novasandbox.e2b/secure': 'false', 'novasandbox.e2b/publicTraffic': 'true', 'novasandbox.x': '' };
  for (const key of [maker.key, ann.key, server.key]) {
    for (const [name, value] of Object.entries(reserved)) {
      for (const path of ['/vms', '/vms/linux', '/vms/validate']) {
        const { status, body } = await server.call('POST', path, { key, body: { metadata: { [name]: value } } });
        assert.deepEqual([status, body.error?.code], [422, 'invalid_argument'], `${path} ${name}`);
      }
      for (const path of ['//sandboxes', '//v2/sandboxes']) {
        const body = { templateID: 'base', metadata: { [name]: value } };
        assert.equal((await server.call('POST', path, { key, body })).status, 400, `${path} ${name}`);
      }
    }
  }
  const env = { ...server.home.env, NOVA_EMBEDDED: '1' };
  const embedded = spawn(process.execPath, [...novaCommand.slice(1), 'create', '--label', 'novasandbox.x=y'], { env });
  assert.match((await finished(embedded)).stderr, /reserved/);
  assert.deepEqual([await ann.list(), await maker.list()], [[], []]);
});

test('a sandbox is opened to all only by whoever holds the permissions that this hands out', async () => {
  const maker = await tenant(server, { role: 'user', scopes: ['vm:create', 'vm:read'] });
  for (const path of ['//sandboxes', '//v2/sandboxes']) {
    assert.match(await refused(maker, path, { templateID: 'base', secure: false }), /guest:execute/);
    const open = { templateID: 'base', network: { allowPublicTraffic: true } };
    assert.match(await refused(maker, path, open), /guest:connect/);
    assert.match(await refused(maker, path, { templateID: 'base', autoResume: { enabled: true } }), /vm:start/);
  }
  // Sandboxes made with such a key are closed, even to that key.
  const closed = await server.call('POST', '//sandboxes', { key: maker.key, body: { templateID: 'base' } });
  assert.deepEqual([closed.status, closed.body.envdAccessToken], [201, undefined]);
  const open = await server.call('POST', '//sandboxes', { key: ann.key, body: { templateID: 'base', secure: false } });
  const commands = (id: string) =>
    server.call('POST', '//process.Process/List', { key: null, body: {}, headers: { 'e2b-sandbox-id': id } });
  assert.equal((await commands(closed.body.sandboxID)).status, 401);
  assert.equal((await commands(open.body.sandboxID)).status, 200);
  const port = (id: string) =>
    server.call('GET', '//', { key: null, headers: { 'e2b-sandbox-id': id, 'e2b-sandbox-port': '9' } });
  assert.equal((await port(closed.body.sandboxID)).status, 403);
  assert.equal((await port(open.body.sandboxID)).status, 502);
  await remove(closed.body.sandboxID, open.body.sandboxID);
});

test('host_port at a create needs network:write like the route for forwards, and a process of the host system:admin', async () => {
  for (const path of ['/vms', '/vms/linux', '/vms/validate']) {
    assert.equal(await refused(ann, path, { host_port: 18_080, guest_port: 80 }), 'network:write');
    assert.equal(await refused(ann, path, { hypervisor: 'process' }), 'system:admin');
  }
  assert.deepEqual(await ann.list(), []);
});
