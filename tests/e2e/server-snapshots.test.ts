import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import type { Vm } from '@novasandbox/protocol/api';
import { eventually } from '../support/eventually.ts';
import { listen, serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { tenant } from '../support/tenants.ts';

let server: ServerUnderTest;

before(async () => {
  server = await serverUnderTest({ NOVA_RESOURCES_MAX_VMS: '6' });
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** Runs a command in a VM, and returns what it has written. */
async function run(vm: string, command: string): Promise<string> {
  const { stdout, exit_code, stderr } = await server.ok('POST', `/vms/${vm}/execute`, { command });
  assert.equal(exit_code, 0, stderr);
  return String(stdout).trim();
}
const remove = async (...refs: readonly string[]): Promise<void> => {
  for (const ref of refs) assert.equal((await server.call('DELETE', `/vms/${ref}`)).status, 204);
};
const namesOf = (page: { readonly snapshots: readonly { readonly name: string }[] }): string[] =>
  page.snapshots.map(({ name }) => name);
/** A process that counts on, in its memory alone. */
const counter = `nohup sh -c 'n=0; while :; do n=$((n+1)); echo $n >/dev/shm/n; sleep 0.1; done' >/dev/null 2>&1 & echo $!`;
const count = async (vm: string): Promise<number> => Number(await run(vm, 'cat /dev/shm/n'));

test('snapshots are taken, described, listed as a tree, filtered, paged, verified, counted and deleted', async () => {
  const { id } = await server.vm({ name: 'tree', memory_mb: 256 });
  const first = await server.ok('POST', '/vms/tree/snapshots', {
    name: 'first',
    description: 'before the work',
    metadata: { step: '1' },
  });
  assert.deepEqual(
    [first.name, first.description, first.kind, first.vm_id, first.vm_name, first.parent_id, first.metadata],
    ['first', 'before the work', 'memory', id, 'tree', null, { step: '1' }],
  );
  assert.ok(first.memory_bytes > 0 && first.disk_bytes > 0 && first.memory_mb === 256);
  assert.equal(first.owner, null);
  const second = await server.ok('POST', `/vms/${id}/snapshots`, { include_memory: false, metadata: { step: '2' } });
  assert.deepEqual([second.name, second.kind, second.parent_id, second.memory_bytes], [null, 'disk', first.id, 0]);
  assert.equal((await server.ok('POST', '/vms/tree/snapshots/first/restore')).status, 'running');
  const third = await server.ok('POST', '/vms/tree/snapshots', { name: 'third', incremental: true });
  assert.equal(third.parent_id, first.id, 'it follows what the VM was taken back to');
  const twice = await server.call('POST', '/vms/tree/snapshots', { body: { name: 'third' } });
  assert.deepEqual([twice.status, twice.body.error.code], [409, 'conflict']);

  const page = await server.ok('GET', '/vms/tree/snapshots?limit=2&sort=created_at');
  assert.deepEqual([namesOf(page), page.total], [['first', null], 3]);
  const rest = await server.ok('GET', `/vms/tree/snapshots?limit=2&cursor=${page.next_cursor}`);
  assert.deepEqual([namesOf(rest), rest.next_cursor], [['third'], null]);
  assert.deepEqual(namesOf(await server.ok('GET', '/vms/tree/snapshots?offset=2')), ['third']);
  assert.deepEqual(namesOf(await server.ok('GET', '/vms/tree/snapshots?kind=disk')), [null]);
  assert.deepEqual(namesOf(await server.ok('GET', '/vms/tree/snapshots?label=step=1')), ['first']);
  assert.deepEqual(namesOf(await server.ok('GET', '/snapshots?name=third')), ['third']);
  assert.deepEqual(namesOf(await server.ok('GET', `/snapshots?vm=tree&sort=size&order=asc&limit=1`)), [null]);
  assert.equal((await server.call('GET', '/snapshots?vm=nobody')).body.error.code, 'sandbox_not_found');

  assert.deepEqual(
    await server.ok('GET', '/vms/tree/snapshots/first'),
    await server.ok('GET', `/snapshots/${first.id}`),
  );
  assert.equal((await server.ok('GET', '/snapshots/third')).id, third.id);
  assert.deepEqual(await server.ok('POST', '/vms/tree/snapshots/first/verify'), { valid: true, problems: [] });
  assert.deepEqual(await server.ok('POST', `/snapshots/${second.id}/verify`), { valid: true, problems: [] });
  const missing = await server.call('GET', '/vms/tree/snapshots/fourth');
  assert.deepEqual([missing.status, missing.body.error.code], [404, 'snapshot_not_found']);

  const statistics = await server.ok('GET', '/snapshots/statistics');
  assert.deepEqual([statistics.count, statistics.with_memory], [3, 2]);
  assert.deepEqual(statistics.by_vm, [{ vm_id: id, count: 3, total_bytes: statistics.total_bytes }]);
  assert.deepEqual((await server.ok('POST', '/snapshots/cleanup?days_old=1')).removed, []);
  assert.equal((await server.call('POST', '/snapshots/cleanup')).status, 422);
  assert.equal((await server.call('DELETE', '/vms/tree/snapshots/third')).status, 204);
  await remove('tree');
  assert.equal((await server.ok('GET', `/vms/${id}/snapshots`)).total, 2, 'they outlive their VM');
  assert.equal((await server.ok('GET', `/vms/${id}/snapshots/first`)).id, first.id);
  const { removed } = await server.ok('POST', '/snapshots/cleanup?days_old=0');
  assert.deepEqual(
    removed.map((each: { id: string }) => each.id),
    [first.id, second.id],
  );
  assert.equal((await server.call('GET', `/vms/${id}/snapshots`)).status, 404);
  assert.deepEqual(await readdir(server.home.layout.snapshots), []);
});

test('a VM goes back to a snapshot; others go on from it, also when the VM is gone', async () => {
  const { id } = await server.vm({ name: 'work', metadata: { of: 'work' }, environment: { A: 'a' } });
  const pid = await run(id, counter);
  await run(id, 'echo kept >~/file && sync');
  const snapshot = await server.ok('POST', '/vms/work/snapshots', { name: 'good' });
  const at = await count(id);
  await run(id, `kill ${pid}; rm ~/file; echo later >~/other`);
  assert.equal((await server.ok('POST', '/vms/work/hibernate')).status, 'hibernated');
  const restored = await server.ok('POST', '/vms/work/snapshots/good/restore');
  assert.deepEqual([restored.id, restored.status, restored.name], [id, 'running', 'work']);
  assert.equal(await run(id, 'cat ~/file; ls ~/other 2>/dev/null || true'), 'kept');
  assert.ok((await count(id)) >= at - 5, 'the counter goes on');
  assert.equal(await run(id, `kill -0 ${pid} && echo alive`), 'alive');

  await remove('work');
  const clone = await server.ok('POST', `/vms/${id}/snapshots/good/clone`, {
    name: 'copy',
    metadata: { of: 'copy' },
    environment: { B: 'b' },
    timeout_seconds: 100,
    idle_timeout_seconds: 50,
  });
  assert.deepEqual([clone.name, clone.status, clone.metadata], ['copy', 'running', { of: 'copy' }]);
  assert.ok(Date.parse(clone.expires_at) < Date.now() + 101_000);
  assert.equal((await server.ok('GET', '/vms/copy/limits')).idle_timeout_seconds, 50);
  assert.equal(
    await run('copy', `cat ~/file; hostname; echo $A$B; kill -0 ${pid} && echo alive`),
    'kept\ncopy\nab\nalive',
  );
  const key = { 'idempotency-key': 'clone-once' };
  const asked = { body: { include_memory: false }, headers: key };
  const booted = await server.call('POST', `/snapshots/${snapshot.id}/clone`, asked);
  assert.equal(booted.status, 201, booted.bytes.toString());
  assert.equal((await server.call('POST', `/snapshots/${snapshot.id}/clone`, asked)).body.id, booted.body.id);
  assert.equal(await run(booted.body.id, 'cat ~/file; pgrep -c -f [d]ev/shm/n || true'), 'kept\n0');
  const foreign = await server.call('POST', `/vms/copy/snapshots/${snapshot.id}/restore`);
  assert.equal(foreign.status, 200, 'the snapshot that it was made from is one to go back to');

  const taken = await server.call('POST', `/snapshots/${snapshot.id}/clone`, { body: { name: 'copy' } });
  assert.deepEqual([taken.status, taken.body.error.code], [409, 'sandbox_exists']);
  const wrong = await server.call('POST', `/snapshots/good/clone`, { body: { timeout_seconds: -1, colour: 'red' } });
  assert.deepEqual([wrong.status, wrong.body.error.code], [422, 'invalid_argument']);
  await remove('copy', booted.body.id);
  assert.equal((await server.call('DELETE', '/snapshots/good')).status, 204);
});

test('a running VM is forked: its children go on from one instant, within the limits, and all of it is told', async () => {
  const { id } = await server.vm({ name: 'parent', metadata: { kind: 'agent' }, idle_timeout_seconds: 500 });
  const socket = server.socket('/system/events');
  const talk = listen(socket);
  await run(id, counter);
  const { results } = await server.ok('POST', '/vms/parent/fork', { count: 3, name: 'child' });
  assert.deepEqual(
    results.map(({ vm, error }: { vm: Vm; error: unknown }) => [
      vm.name,
      vm.status,
      vm.metadata,
      vm.forked_from,
      error,
    ]),
    [1, 2, 3].map((index) => [`child-${index}`, 'running', { kind: 'agent' }, id, null]),
  );
  const ids = results.map(({ vm }: { vm: { id: string } }) => vm.id) as string[];
  assert.equal(new Set([id, ...ids]).size, 4);
  for (const child of ids) {
    assert.ok((await count(child)) > 0);
    assert.equal((await server.ok('GET', `/vms/${child}/limits`)).idle_timeout_seconds, 500);
  }
  assert.deepEqual(
    await Promise.all(ids.map((child) => run(child, 'hostname'))),
    [1, 2, 3].map((index) => `child-${index}`),
  );
  const randoms = await Promise.all([id, ...ids].map((each) => run(each, 'head -c 16 /dev/urandom | base64')));
  assert.equal(new Set(randoms).size, 4);
  assert.equal((await server.ok('GET', '/vms/parent')).status, 'running');

  const many = await server.call('POST', '/vms/parent/clone', { body: { count: 3 } });
  assert.deepEqual([many.status, many.body.error.code], [429, 'vm_limit_reached']);
  assert.equal((await server.ok('GET', '/vms')).total, 4, 'all places or none');
  const one = await server.ok('POST', '/vms/parent/clone', {});
  assert.equal(one.results.length, 1);
  const zero = await server.call('POST', '/vms/parent/fork', { body: { count: 0 } });
  assert.equal(zero.status, 422);
  await server.ok('POST', '/vms/child-1/stop', { force: true });
  const stopped = await server.call('POST', '/vms/child-1/fork', { body: {} });
  assert.deepEqual([stopped.status, stopped.body.error.code], [409, 'sandbox_not_running']);

  const snapshot = await server.ok('POST', '/vms/child-2/snapshots', { name: 'told' });
  await server.ok('POST', '/vms/child-2/snapshots/told/restore');
  assert.equal((await server.call('DELETE', '/vms/child-2/snapshots/told')).status, 204);
  const about = (type: string) => talk.texts.filter((event) => event['type'] === type);
  assert.deepEqual(about('vm.forked')[0]?.['data'], { children: ids, failed: 0 });
  assert.equal(about('vm.forked')[0]?.['vm_id'], id);
  for (const type of ['snapshot.taken', 'snapshot.restored', 'snapshot.removed'])
    assert.deepEqual(
      about(type).map(({ vm_id, data }) => [vm_id, data]),
      [[ids[1], { snapshot: snapshot.id, name: 'told', kind: 'memory' }]],
      type,
    );
  assert.ok(ids.every((child) => about('vm.created').some(({ vm_id }) => vm_id === child)));
  socket.close();
  const metrics = (await server.call('GET', '//metrics')).bytes.toString();
  assert.match(metrics, /^microvm_vm_operations_total\{operation="fork",result="ok"\} 2$/m);
  assert.match(metrics, /^microvm_snapshot_operations_total\{operation="restore",result="ok"\} [1-9]/m);
  assert.match(metrics, /^microvm_snapshot_duration_seconds_count\{operation="create"\} [1-9]/m);
  assert.match(metrics, /^microvm_snapshot_size_bytes 0$/m);
  await remove('parent', ...ids, one.results[0].vm.id);
});

test('a snapshot leaves as one file and comes back; what is no such file, or names things of the host, is refused', async () => {
  const { id } = await server.vm({ name: 'far', network: false });
  await run(id, 'echo far >~/file; echo in memory >/dev/shm/note; sync');
  await server.ok('POST', '/vms/far/snapshots', { name: 'trip' });
  const exported = await server.call('GET', '/vms/far/snapshots/trip/export');
  assert.equal(exported.status, 200);
  assert.equal(exported.headers.get('content-type'), 'application/octet-stream');
  assert.match(exported.headers.get('content-disposition') ?? '', /trip\.novasnap/);
  assert.equal((await server.call('DELETE', '/snapshots/trip')).status, 204);

  const send = (bytes: Buffer, query = '') =>
    server.call('POST', `/snapshots/import${query}`, {
      raw: bytes,
      headers: { 'content-type': 'application/octet-stream' },
    });
  const back = await send(exported.bytes, '?name=returned');
  assert.deepEqual([back.status, back.body.name, back.body.vm_id], [201, 'returned', id]);
  const clone = await server.ok('POST', '/snapshots/returned/clone', {});
  assert.equal(await run(clone.id, 'cat ~/file /dev/shm/note'), 'far\nin memory');
  await remove(clone.id);
  assert.equal((await server.call('DELETE', `/snapshots/${back.body.id}`)).status, 204);

  // Not in one go: connections end meanwhile, which has to be noticed.
  const plain = await promisify(zstdDecompress)(exported.bytes);
  const compress = (...parts: Buffer[]): Promise<Buffer> =>
    promisify(zstdCompress)(Buffer.concat(parts), { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const headerAt = 20;
  const filesAt = headerAt + plain.readUInt32LE(16);
  /** The beginning of the file with another header. */
  const withHeader = (change: (record: { config: object }) => void): Buffer => {
    const header = JSON.parse(plain.subarray(headerAt, filesAt).toString());
    change(header.manifest.record);
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return Buffer.concat([plain.subarray(0, 16), length, text]);
  };
  const config = (change: object) => withHeader(({ config: config_ }) => Object.assign(config_, change));
  const record = (change: object) => withHeader((record_) => Object.assign(record_, change));
  const drive = { extraDrives: [{ path: '/etc/shadow', mountPath: '/x' }] };
  for (const [what, bytes, code] of [
    ['nothing', Buffer.alloc(0), 'snapshot_damaged'],
    ['something else', Buffer.from('hello'), 'snapshot_damaged'],
    ['a part', exported.bytes.subarray(0, exported.bytes.length / 2), 'snapshot_damaged'],
    ['a byte less', await compress(plain.subarray(0, -1)), 'snapshot_damaged'],
    [
      'other files',
      await compress(plain.subarray(0, filesAt), changedByte(plain.subarray(filesAt))),
      'snapshot_damaged',
    ],
    ['a drive of the host', await compress(config(drive)), 'snapshot_incompatible'],
    ['a root of the host', await compress(config({ rootfsPath: '/etc/shadow' })), 'snapshot_incompatible'],
    ['no machine of its own', await compress(record({ hypervisor: 'process' })), 'feature_unsupported'],
  ] as const) {
    const { status, body } = await send(bytes);
    assert.equal(body.error?.code, code, `${what}: ${status} ${body.error?.message}`);
    assert.ok(status < 500, `${what}: ${status}`);
  }
  assert.equal((await server.ok('GET', '/snapshots')).total, 0);
  const labels = { 'novasandbox.export': 'true', own: 'x' };
  const guarded = await send(await compress(record({ labels }), plain.subarray(filesAt)));
  assert.deepEqual([guarded.status, guarded.body.metadata], [201, { own: 'x' }]);
  assert.equal((await server.call('DELETE', `/snapshots/${guarded.body.id}`)).status, 204);

  const whole = await server.call('GET', '/vms/far/export');
  assert.equal(whole.status, 200);
  assert.match(whole.headers.get('content-disposition') ?? '', /far\.novasnap/);
  const gone = new AbortController();
  const left = await fetch(`${server.url}/api/v1/vms/far/export`, {
    headers: { 'x-api-key': server.key },
    signal: gone.signal,
  });
  await left.body?.getReader().read();
  gone.abort();
  await eventually('both are removed', async () => (await server.ok('GET', '/snapshots')).total === 0);
  const again = await send(whole.bytes);
  assert.deepEqual([again.status, again.body.metadata], [201, {}]);
  await server.ok('POST', '/snapshots/cleanup?days_old=0');
  await remove('far');
});

/** The files with one byte of the first one changed. */
function changedByte(files: Buffer): Buffer {
  const changed = Buffer.from(files);
  const within = 100;
  changed.writeUInt8(changed.readUInt8(within) ^ 1, within);
  return changed;
}

test('snapshots belong to whoever took them: for others they do not exist', async () => {
  const ann = await tenant(server, { role: 'user' });
  const bob = await tenant(server, { role: 'power_user' });
  const hers = await ann.vm({ name: 'hers', memory_mb: 256 });
  const as = async (key: string, method: string, path: string, body?: unknown) => {
    const answer = await server.call(method, path, { key, ...(body === undefined ? {} : { body }) });
    return [answer.status, answer.body?.error?.code ?? answer.body] as const;
  };
  const [, taken] = await as(ann.key, 'POST', '/vms/hers/snapshots', { name: 'secret' });
  assert.equal(taken.owner, ann.owner);
  for (const ref of [taken.id, 'secret'])
    for (const [method, path, body] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/verify'],
      ['POST', '/clone', {}],
      ['GET', '/export'],
    ] as const) {
      assert.deepEqual(await as(bob.key, method, `/snapshots/${ref}${path}`, body), [404, 'snapshot_not_found'], path);
      const below = `/vms/${hers}/snapshots/${ref}${path}`;
      assert.deepEqual(await as(bob.key, method, below, body), [404, 'sandbox_not_found'], below);
    }
  assert.deepEqual((await as(bob.key, 'GET', '/snapshots'))[1].snapshots, []);
  assert.equal((await as(bob.key, 'GET', '/snapshots/statistics'))[1].count, 0);
  assert.deepEqual((await as(bob.key, 'POST', '/snapshots/cleanup?days_old=0'))[1].removed, []);
  assert.deepEqual(await as(ann.key, 'DELETE', `/snapshots/secret`), [403, 'forbidden']);
  assert.deepEqual(await as(ann.key, 'POST', '/snapshots/secret/clone', { host_port: 8099 }), [403, 'forbidden']);
  const reader = await server.ok('POST', '/security/api-keys', { name: 'r', role: 'readonly' });
  assert.deepEqual(await as(reader.key, 'GET', `/snapshots/${taken.id}/export`), [403, 'forbidden']);

  // Exported by one, it is the other's once that one imports it.
  const exported = await server.call('GET', '/snapshots/secret/export', { key: ann.key });
  const imported = await server.call('POST', '/snapshots/import?name=given', {
    key: bob.key,
    raw: exported.bytes,
    headers: { 'content-type': 'application/octet-stream' },
  });
  assert.deepEqual([imported.status, imported.body.owner], [201, bob.owner]);
  const [, his] = await as(bob.key, 'POST', '/snapshots/given/clone', {});
  assert.equal(his.owner, bob.owner);
  const [, forked] = await as(ann.key, 'POST', '/vms/hers/fork', {});
  assert.equal(forked.results[0].vm.owner, ann.owner);
  assert.equal((await server.ok('GET', '/snapshots')).total, 2);
  await remove(hers, his.id, forked.results[0].vm.id);
  assert.equal((await server.ok('POST', '/snapshots/cleanup?days_old=0')).removed.length, 2);
});
