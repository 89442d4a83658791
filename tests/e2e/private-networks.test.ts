import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createEngine, type Engine } from '@novasandbox/engine';
import type { SandboxInfo } from '@novasandbox/protocol';
import { Network, Sandbox } from 'novasandbox';
import { hubOf, hubsOnHost } from '../../packages/engine/src/network/hubs.ts';
import { engineUnderTest, sh } from '../support/engine.ts';
import { poolUnderTest } from '../support/pool.ts';
import { egressProcesses } from '../support/egress-process.ts';
import { eventually } from '../support/eventually.ts';
import { whyNoSlots } from '../support/slots.ts';

const skip = await whyNoSlots();
let under: Awaited<ReturnType<typeof engineUnderTest>>;
let engine: Engine;
let web: SandboxInfo;
let db: SandboxInfo;

before(async () => {
  if (skip !== false) return;
  under = await engineUnderTest();
  engine = under.engine;
  await Network.create({ name: 'backend', engine });
  [web, db] = await Promise.all([
    engine.sandboxes.create({ name: 'web', networks: ['backend'], memoryMb: 256 }),
    engine.sandboxes.create({ name: 'db', networks: ['backend'], policy: 'none', memoryMb: 256 }),
  ]);
  await serve(db);
  await serve(web);
});
after(async () => {
  await under?.[Symbol.asyncDispose]();
});

/** Has a guest answer HTTP on port 8080 with its own host name. */
async function serve({ id }: Pick<SandboxInfo, 'id'>): Promise<void> {
  const script = 'mkdir -p /srv; hostname > /srv/name; cd /srv; exec python3 -m http.server 8080';
  await engine.exec.startDetached(id, { argv: ['sh', '-c', script], user: 'root' });
  await sh(engine, id, 'until curl -sf http://127.0.0.1:8080/name; do sleep 0.1; done');
}

/** What one guest gets from another by its name; empty where it gets nothing. */
const get = async (from: Pick<SandboxInfo, 'id'>, host: string, by: Engine = engine): Promise<string> =>
  (await sh(by, from.id, `curl -s --noproxy '*' --max-time 8 http://${host}:8080/name`)).stdout.trim();
const nameOf = async ({ id }: SandboxInfo): Promise<string> => (await sh(engine, id, 'hostname')).stdout.trim();
const addressOf = async ({ id }: Pick<SandboxInfo, 'id'>): Promise<string | undefined> =>
  (await engine.networks.get('backend')).members.find(({ sandboxId }) => sandboxId === id)?.address;

test('clones reach each other by name and address, whatever their policies', { skip }, async () => {
  assert.deepEqual([web.metadata.bootKind, db.networks], ['snapshot', ['backend']]);
  assert.equal(await get(web, 'db.backend'), await nameOf(db));
  assert.equal(await get(db, 'web.backend'), await nameOf(web));
  assert.equal(await get(db, `${web.id}.backend`), await nameOf(web));
  assert.equal(await get(web, (await addressOf(db)) ?? ''), await nameOf(db));
  // A guest that is no member does not even learn the name.
  const stranger = await engine.sandboxes.create({ memoryMb: 256 });
  assert.equal(await get(stranger, (await addressOf(db)) ?? ''), '');
  assert.notEqual((await sh(engine, stranger.id, 'getent hosts db.backend')).exit.exitCode, 0);
  await engine.sandboxes.remove(stranger.id, { force: true });
});

test('a network with members stays; a level of isolation and a new name hold at once', { skip }, async () => {
  const backend = await Network.get('backend', { engine });
  await assert.rejects(backend.remove(), { code: 'network_in_use' });
  assert.equal((await backend.isolate('strict')).isolation, 'strict');
  assert.equal(await get(web, 'db.backend'), '');
  await backend.isolate('minimal');
  assert.equal(await get(web, 'db.backend'), await nameOf(db));
  await engine.sandboxes.rename(db.id, 'store');
  assert.equal(await get(web, 'store.backend'), await nameOf(db));
  assert.equal(await get(web, 'db.backend'), '');
  await engine.sandboxes.rename(db.id, 'db');
});

test('a policy that changes leaves the network alone', { skip }, async () => {
  await engine.sandboxes.setPolicy(web.id, 'none');
  assert.equal(await get(web, 'db.backend'), await nameOf(db));
  await engine.policies.create({ name: 'closed', policy: { otherwise: 'deny' } });
  await engine.sandboxes.setPolicy(web.id, 'closed');
  await engine.policies.change('closed', { otherwise: 'allow' });
  assert.equal(await get(web, 'db.backend'), await nameOf(db));
  await engine.sandboxes.setPolicy(web.id, 'all');
  assert.equal(await get(web, 'db.backend'), await nameOf(db));
  await assert.rejects(engine.policies.learned(web.id), { code: 'invalid_state' });
  // With a secret everything else passes the egress process.
  await engine.sandboxes.setSecret(web.id, 'TOKEN', { value: 'a-long-secret', hosts: [{ host: 'api.example.com' }] });
  assert.equal(await get(web, 'db.backend'), await nameOf(db));
  await engine.sandboxes.removeSecret(web.id, 'TOKEN');
  assert.equal(await get(web, 'db.backend'), await nameOf(db));
});

test('forks and sandboxes of snapshots join with addresses of their own', { skip }, async () => {
  const [forked] = await engine.snapshots.fork(db.id, { name: 'copy' });
  assert.ok(forked?.sandbox !== null && forked !== undefined, String(forked?.error));
  // Its server was running when it was forked.
  assert.notEqual(await addressOf(forked.sandbox), await addressOf(db));
  assert.equal(await get(web, 'copy.backend'), await get(forked.sandbox, '127.0.0.1'));
  assert.equal(await get(forked.sandbox, 'web.backend'), await nameOf(web));
  await engine.sandboxes.remove(forked.sandbox.id, { force: true });

  const snapshot = await engine.snapshots.take(db.id);
  const made = await engine.snapshots.create(snapshot.id, { name: 'restored' });
  assert.equal(await get(web, 'restored.backend'), await get(made, '127.0.0.1'));
  await engine.sandboxes.remove(made.id, { force: true });
  const alone = await engine.snapshots.create(snapshot.id, { name: 'alone', networks: [] });
  assert.equal(await get(web, 'alone.backend'), '');
  await engine.sandboxes.remove(alone.id, { force: true });
  await engine.snapshots.remove(snapshot.id);
});

test('a snapshot that moves to another host joins the network of that name there', { skip }, async () => {
  const snapshot = await engine.snapshots.take(db.id);
  await using saved = await engine.snapshots.save(snapshot.id);
  await using there = await engineUnderTest();
  const loaded = await there.engine.snapshots.load(saved);
  await assert.rejects(there.engine.snapshots.create(loaded.id), { code: 'network_not_found' });
  await there.engine.networks.create({ name: 'backend', subnet: '192.168.77.0/28' });
  const moved = await there.engine.snapshots.create(loaded.id, { name: 'moved' });
  const found = await sh(there.engine, moved.id, 'getent hosts moved.backend');
  assert.match(found.stdout, /^192\.168\.77\.2 /);
  assert.equal((await there.engine.sandboxes.config(moved.id)).policy, 'none');
  await there.engine.sandboxes.remove(moved.id, { force: true });
  await there.engine.snapshots.remove(loaded.id);
  await engine.snapshots.remove(snapshot.id);
});

test('a clone that has waited in the warm pool joins too', { skip }, async () => {
  await using pooled = await poolUnderTest({ size: 1 });
  const [clone] = await pooled.ready();
  await pooled.engine.networks.create({ name: 'warm' });
  const box = await pooled.engine.sandboxes.create({ name: 'box', networks: ['warm'] });
  assert.equal(box.id, clone?.id);
  const { members } = await pooled.engine.networks.get('warm');
  const found = await sh(pooled.engine, box.id, 'getent hosts box.warm');
  assert.equal(found.stdout.split(/\s+/)[0], members[0]?.address);
});

test('hibernation and a new start keep addresses and names', { skip }, async () => {
  const address = await addressOf(db);
  await engine.sandboxes.hibernate(db.id);
  assert.equal(await addressOf(db), address);
  assert.equal(await get(web, 'db.backend'), '');
  await engine.sandboxes.resume(db.id);
  assert.equal(await get(web, 'db.backend'), await nameOf(db));
  await engine.sandboxes.stop(web.id);
  await engine.sandboxes.start(web.id);
  assert.equal(await get(web, 'db.backend'), await nameOf(db));
  assert.equal(await addressOf(db), address);
});

test('another engine, after the egress process was killed, has names answered again', { skip }, async () => {
  for (const pid of egressProcesses(under.layout)) process.kill(pid, 'SIGKILL');
  await eventually('it has ended', () => egressProcesses(under.layout).length === 0);
  // What needs no name goes on.
  assert.equal(await get(web, (await addressOf(db)) ?? ''), await nameOf(db));
  await using next = await createEngine({ home: under.layout.home });
  assert.equal(await get(web, 'db.backend', next), await nameOf(db));
});

test('without members there is nothing on the host, and the network can go', { skip }, async () => {
  const { id } = await engine.networks.get('backend');
  assert.ok(hubsOnHost().includes(hubOf(under.layout.home, id)));
  for (const box of [web, db]) await engine.sandboxes.remove(box.id, { force: true });
  assert.ok(!hubsOnHost().includes(hubOf(under.layout.home, id)));
  await engine.networks.remove('backend');
  await assert.rejects(Sandbox.create({ networks: ['backend'], engine }), { code: 'network_not_found' });
});

test('a sandbox without a slot cannot join', { skip }, async () => {
  await engine.networks.create({ name: 'front' });
  await assert.rejects(engine.sandboxes.create({ enableNetwork: false, networks: ['front'] }), {
    code: 'feature_unsupported',
  });
  await engine.networks.remove('front');
});
