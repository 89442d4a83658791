import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clients } from '../support/e2b-clients.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';
import { tenant } from '../support/tenants.ts';

let server: ServerUnderTest;

before(async () => {
  server = await serverUnderTest({ NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0' });
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

for (const { version, e2b } of clients) {
  test(`e2b ${version}: volumes are created, filled, mounted and destroyed`, async () => {
    const { Sandbox, Volume } = e2b;
    const { e2bKey: apiKey } = await tenant(server, { role: 'user' });
    const options = { apiKey, apiUrl: server.url, sandboxUrl: server.url, allowInternetAccess: false };
    const content = { apiUrl: server.url };
    const volume = await Volume.create('shared', options);
    assert.match(volume.token, /^\S{20,}$/);
    assert.deepEqual(await Volume.list(options), [{ volumeId: volume.volumeId, name: 'shared' }]);
    await assert.rejects(Volume.create('shared', options), /exists already/);

    await volume.writeFile('/hello.txt', 'hello', content);
    assert.equal(await volume.readFile('/hello.txt', content), 'hello');
    await assert.rejects(volume.writeFile('/hello.txt', 'again', content), /already exists/);
    await volume.writeFile('/hello.txt', 'again', { ...content, force: true, uid: 1000, gid: 1001, mode: 0o600 });
    const info = await volume.getInfo('/hello.txt', content);
    assert.deepEqual(
      [info.name, info.path, info.type, info.size, info.uid, info.gid, info.mode],
      ['hello.txt', '/hello.txt', 'file', 5, 1000, 1001, 0o600],
    );
    assert.ok(info.mtime instanceof Date && Math.abs(info.mtime.getTime() - Date.now()) < 600_000);
    await assert.rejects(volume.makeDir('/deep/nested', content), /not found/);
    assert.equal((await volume.makeDir('/deep/nested', { ...content, force: true })).type, 'directory');
    await assert.rejects(volume.makeDir('/deep', content), /already exists/);
    await volume.writeFile('/deep/nested/file', new Blob(['blob']), content);
    assert.deepEqual(
      (await volume.list('/', { ...content, depth: 3 })).map(({ path }) => path),
      ['/deep', '/deep/nested', '/deep/nested/file', '/hello.txt'],
    );
    assert.equal((await volume.updateMetadata('/deep', { mode: 0o750 }, content)).mode, 0o750);
    const bytes = await volume.readFile('/deep/nested/file', { ...content, format: 'bytes' });
    assert.equal(Buffer.from(bytes).toString(), 'blob');
    const stream = await volume.readFile('/hello.txt', { ...content, format: 'stream' });
    assert.equal(await new Response(stream).text(), 'again');
    await volume.remove('/deep', content);
    assert.equal(await volume.exists('/deep', content), false);
    for (const missing of [
      () => volume.readFile('/none', content),
      () => volume.list('/none', content),
      () => volume.remove('/none', content),
      () => volume.updateMetadata('/none', { mode: 0o600 }, content),
    ])
      await assert.rejects(missing, /not found/);
    // The sandbox that opened the volume is nobody's, and is gone as soon as somebody wants the volume.
    assert.deepEqual(
      (await Sandbox.list(options).nextItems()).map(({ sandboxId }) => sandboxId),
      [],
    );

    const box = await Sandbox.create('base', { ...options, volumeMounts: { '/mnt/data': volume } });
    assert.equal(await box.files.read('/mnt/data/hello.txt', { user: 'root' }), 'again');
    await box.commands.run('echo from the sandbox > /mnt/data/second; ln -s /etc /mnt/data/out');
    for (const path of ['/out/passwd', '/out'])
      await assert.rejects(volume.readFile(path, content), /leads over a link/, path);
    await assert.rejects(volume.writeFile('/out/new', 'x', content), /leads over a link/);
    assert.equal((await volume.getInfo('/out', content)).type, 'symlink');
    const detail = await server.call('GET', `//sandboxes/${box.sandboxId}`, {
      key: null,
      headers: { 'x-api-key': apiKey },
    });
    assert.deepEqual(detail.body.volumeMounts, [{ name: 'shared', path: '/mnt/data' }]);
    // While a sandbox has it, its files are read there.
    assert.equal(await volume.readFile('/second', content), 'from the sandbox\n');
    await assert.rejects(Volume.destroy(volume.volumeId, options), /writes to the volume/);
    await assert.rejects(
      Sandbox.create('base', { ...options, volumeMounts: { '/mnt/data': 'shared' } }),
      /writes to the volume shared/,
    );
    const taken = await server.call('POST', `/vms/${box.sandboxId}/snapshots`, {
      key: null,
      headers: { 'x-api-key': apiKey },
      body: { include_memory: false },
    });
    assert.equal(taken.status, 201, taken.bytes.toString());
    await box.kill();
    const again = await Sandbox.create(taken.body.id, { ...options, volumeMounts: { '/mnt/again': volume } });
    assert.equal(await again.files.read('/mnt/again/second', { user: 'root' }), 'from the sandbox\n');
    await again.kill();
    const plain = await Sandbox.create('base', options);
    const { snapshotId } = await plain.createSnapshot(options);
    await plain.kill();
    await assert.rejects(
      Sandbox.create(snapshotId, { ...options, volumeMounts: { '/mnt/again': volume } }),
      /has the disks that it knows/,
    );

    const connected = await Volume.connect(volume.volumeId, options);
    assert.equal(await connected.readFile('/second', content), 'from the sandbox\n');
    assert.equal(await Volume.destroy(volume.volumeId, options), true);
    assert.equal(await Volume.destroy(volume.volumeId, options), false);
    await assert.rejects(Volume.getInfo(volume.volumeId, options), /not found/);
  });
}

test('only a volume’s own token, or the key of who may use it, opens its files; no path leads out of it', async () => {
  const [ann, bob] = [await tenant(server, { role: 'user' }), await tenant(server, { role: 'user' })];
  const reader = await tenant(server, { role: 'readonly' });
  const as = (key: string) => ({ key: null, headers: { 'x-api-key': key } });
  const made = await server.call('POST', '//volumes', { ...as(ann.e2bKey), body: { name: 'private' } });
  const other = await server.call('POST', '//volumes', { ...as(bob.e2bKey), body: { name: 'private' } });
  const { volumeID: id, token } = made.body;
  const at = `//volumecontent/${id}/path?path=/`;
  const bearer = (value: string) => ({ key: null, headers: { authorization: `Bearer ${value}` } });
  assert.equal((await server.call('GET', at, bearer(token))).status, 200);
  assert.equal((await server.call('GET', at, as(ann.e2bKey))).status, 200);
  for (const wrong of [bearer(other.body.token), bearer('x'), { key: null }])
    assert.equal((await server.call('GET', at, wrong)).status, 401, JSON.stringify(wrong));
  assert.equal((await server.call('GET', at, as(bob.e2bKey))).status, 404);
  assert.equal((await server.call('GET', at, as(reader.e2bKey))).status, 403);
  assert.equal((await server.call('GET', `//volumes/${id}`, as(bob.e2bKey))).status, 404);
  for (const path of ['/../etc/passwd', '../../etc/passwd', '/./../volume/../etc/passwd']) {
    const url = `//volumecontent/${id}/file?path=${encodeURIComponent(path)}`;
    assert.equal((await server.call('GET', url, bearer(token))).status, 404, path);
  }
  assert.equal((await server.call('DELETE', at, bearer(token))).status, 400);
  for (const [key, volume] of [
    [ann.e2bKey, id],
    [bob.e2bKey, other.body.volumeID],
  ])
    assert.equal((await server.call('DELETE', `//volumes/${volume}`, as(key))).status, 204);
});
