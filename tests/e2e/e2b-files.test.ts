import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { clients, type Box } from '../support/e2b-clients.ts';
import { e2bUnderTest, type E2bUnderTest } from '../support/e2b-server.ts';
import { eventually } from '../support/eventually.ts';

for (const { version, e2b } of clients) {
  suite(`npm e2b ${version}: files`, () => {
    let served: E2bUnderTest;
    let box: Box;
    before(async () => {
      served = await e2bUnderTest();
      box = await e2b.Sandbox.create(served.options);
    });
    after(async () => {
      await box.kill();
      await served[Symbol.asyncDispose]();
    });

    test('written and read in every form', async () => {
      const written = await box.files.write('notes/a.txt', 'one');
      assert.deepEqual([written.path, written.name, written.type], ['/home/user/notes/a.txt', 'a.txt', 'file']);
      assert.equal(await box.files.read('/home/user/notes/a.txt'), 'one');
      assert.equal(await box.files.read('notes/a.txt', { gzip: true }), 'one');
      assert.equal(Buffer.from(await box.files.read('notes/a.txt', { format: 'bytes' })).toString(), 'one');
      assert.equal(await (await box.files.read('notes/a.txt', { format: 'blob' })).text(), 'one');
      const stream = await box.files.read('notes/a.txt', { format: 'stream' });
      assert.equal(await new Response(stream).text(), 'one');
      await box.files.write('notes/a.txt', new Blob(['', 'two']));
      assert.equal(await box.files.read('notes/a.txt'), 'two');
      assert.equal(await box.files.read('/proc/sys/kernel/ostype'), 'Linux\n');
    });

    test('many files, large ones, compressed ones', async () => {
      const infos = await box.files.write([
        { path: 'many/a', data: 'A' },
        { path: 'many/b', data: 'B' },
        { path: '/tmp/many c', data: 'C' },
      ]);
      assert.deepEqual(
        infos.map(({ path }) => path),
        ['/home/user/many/a', '/home/user/many/b', '/tmp/many c'],
      );
      assert.equal(await box.files.read('/tmp/many c'), 'C');
      const large = Buffer.alloc(12_000_000, 'line of text\n');
      await box.files.write('large', new Blob([large]), { gzip: true });
      assert.equal((await box.commands.run('sha256sum < large')).stdout.slice(0, 64), await sha256(large));
      const back = await box.files.read('large', { format: 'bytes' });
      assert.ok(Buffer.from(back).equals(large));
    });

    test('owners: the user who asks', async () => {
      await box.files.write('/root/deep/x', 'x', { user: 'root' });
      const info = await box.files.getInfo('/root/deep/x');
      assert.deepEqual([info.owner, info.permissions, info.mode, info.size], ['root', '-rw-r--r--', 0o644, 1]);
      assert.equal((await box.files.getInfo('/root/deep')).permissions, 'drwxr-xr-x');
      await box.files.write('mine', '');
      const mine = await box.files.getInfo('mine');
      assert.deepEqual([mine.owner, mine.group, mine.path, mine.size], ['user', 'user', '/home/user/mine', 0]);
      await assert.rejects(box.files.write('a', 'b', { user: 'nobody-such' }), /invalid username: 'nobody-such'/);
    });

    test('links show what they lead to', async () => {
      await box.files.write('target', 'text');
      await box.commands.run('ln -s target link && ln -s /not/there dangling');
      const link = await box.files.getInfo('link');
      assert.deepEqual(
        [link.type, link.permissions, link.symlinkTarget, link.name],
        ['file', 'Lrwxrwxrwx', '/home/user/target', 'link'],
      );
      assert.equal((await box.files.getInfo('dangling')).type, undefined);
    });

    test('directories', async () => {
      assert.equal(await box.files.makeDir('tree/b/c'), true);
      assert.equal(await box.files.makeDir('tree/b/c'), false);
      await box.files.write('tree/a.txt', '');
      const shallow = await box.files.list('tree');
      assert.deepEqual(
        shallow.map(({ name, type, path }) => [name, type, path]),
        [
          ['a.txt', 'file', '/home/user/tree/a.txt'],
          ['b', 'dir', '/home/user/tree/b'],
        ],
      );
      assert.equal((await box.files.list('tree', { depth: 2 })).length, 3);
      await assert.rejects(box.files.list('tree/none'), e2b.NotFoundError);
      await assert.rejects(box.files.list('tree/a.txt'), e2b.InvalidArgumentError);
      const moved = await box.files.rename('tree/a.txt', 'tree/z.txt');
      assert.deepEqual([moved.name, moved.path], ['z.txt', '/home/user/tree/z.txt']);
      await assert.rejects(box.files.rename('tree/none', 'tree/other'), e2b.NotFoundError);
      assert.equal(await box.files.exists('tree/z.txt'), true);
      await box.files.remove('tree');
      await box.files.remove('tree');
      assert.equal(await box.files.exists('tree'), false);
    });

    test('what cannot be read says why', async () => {
      await assert.rejects(box.files.read('none'), (error) => {
        assert.ok(error instanceof e2b.NotFoundError);
        assert.match(error.message, /path 'none' does not exist/);
        return true;
      });
      await assert.rejects(box.files.read('/etc'), e2b.InvalidArgumentError);
      await assert.rejects(box.files.write('/etc', 'x'), e2b.InvalidArgumentError);
      await assert.rejects(box.files.read('a\0b'));
      // Refused while it still sends. Timing decides whether it sees the answer or a lost connection, so it is tried
      // several times.
      const large = new Blob([Buffer.alloc(32 << 20)]);
      for (let i = 0; i < 10; i += 1)
        await assert.rejects(box.files.write('/etc/passwd/x', large), e2b.InvalidArgumentError);
    });

    test('metadata is kept with the file', async () => {
      const written = await box.files.write('described', 'x', { metadata: { origin: 'test' } });
      assert.deepEqual(written.metadata, { origin: 'test' });
      assert.deepEqual((await box.files.getInfo('described')).metadata, { origin: 'test' });
      const listed = (await box.files.list('.')).find(({ name }) => name === 'described');
      assert.deepEqual(listed?.metadata, { origin: 'test' });
    });

    test('a watch tells what happens, in order', async () => {
      await box.files.makeDir('watched/sub');
      const seen: string[] = [];
      const handle = await box.files.watchDir('watched', ({ type, name }) => void seen.push(`${type} ${name}`));
      await box.files.write('watched/new.txt', 'text');
      await eventually('the upload', () => seen.length >= 3);
      assert.deepEqual(seen, ['create new.txt', 'chmod new.txt', 'write new.txt']);
      await box.files.remove('watched/new.txt');
      await eventually('the removal', () => seen.includes('remove new.txt'));
      await handle.stop();
      const count = seen.length;
      await box.files.write('watched/later.txt', '');
      assert.equal(seen.length, count);

      const deep: string[] = [];
      const recursive = await box.files.watchDir('watched', ({ type, name }) => void deep.push(`${type} ${name}`), {
        recursive: true,
      });
      await box.files.write('watched/sub/inner.txt', '');
      await eventually('the one below', () => deep.includes('create sub/inner.txt'));
      await recursive.stop();
      await assert.rejects(
        box.files.watchDir('watched/none', () => undefined),
        e2b.NotFoundError,
      );
      await assert.rejects(
        box.files.watchDir('target', () => undefined),
        e2b.InvalidArgumentError,
      );
    });

    test('signed URLs', async () => {
      await box.files.write('signed.txt', '0123456789');
      const url = await box.downloadUrl('signed.txt', { useSignatureExpiration: 60 });
      assert.equal(await (await fetch(url)).text(), '0123456789');
      const part = await fetch(url, { headers: { range: 'bytes=2-4' } });
      assert.deepEqual(
        [part.status, part.headers.get('content-range'), await part.text()],
        [206, 'bytes 2-4/10', '234'],
      );
      assert.equal((await fetch(url, { headers: { range: 'bytes=99-' } })).status, 416);
      // A range of a link is a range of its target.
      await box.commands.run('ln -s signed.txt to-signed');
      const behind = await fetch(await box.downloadUrl('to-signed'), { headers: { range: 'bytes=-2' } });
      assert.deepEqual(
        [behind.status, behind.headers.get('content-range'), await behind.text()],
        [206, 'bytes 8-9/10', '89'],
      );
      assert.equal((await fetch(url.replace('signed.txt', 'other.txt'))).status, 401);
      assert.equal((await fetch(url.replace(/signature=v1_..../, 'signature=v1_AAAA'))).status, 401);
      // The URL is valid until it expires, for one path, one user and one direction; a second path is ignored.
      assert.equal(await (await fetch(`${url}&path=other.txt`)).text(), '0123456789');
      assert.equal((await fetch(url, { method: 'POST', body: 'written' })).status, 401);
      assert.equal((await fetch(`${url.replace(/&?signature_expiration=\d+/, '')}`)).status, 401);
      const asRoot = new URL(url);
      asRoot.searchParams.set('username', 'root');
      assert.equal((await fetch(asRoot)).status, 401);
      assert.equal(await box.files.read('signed.txt'), '0123456789');
      const expired = await box.downloadUrl('signed.txt', { useSignatureExpiration: -10 });
      const refused = await fetch(expired);
      assert.deepEqual(
        [refused.status, await refused.json()],
        [401, { code: 401, message: 'signature is already expired' }],
      );

      const form = new FormData();
      form.append('file', new Blob(['uploaded']), 'ignored.txt');
      const upload = await fetch(await box.uploadUrl('up.txt', { user: 'root' }), { method: 'POST', body: form });
      assert.deepEqual(
        [upload.status, await upload.json()],
        [200, [{ path: '/root/up.txt', name: 'up.txt', type: 'file' }]],
      );
      assert.equal(await box.files.read('/root/up.txt'), 'uploaded');
      const unsigned = await fetch(`${served.url}/files?path=signed.txt`, {
        headers: { 'e2b-sandbox-id': box.sandboxId },
      });
      assert.equal(unsigned.status, 401);
    });

    test('compressed where the client takes that', async () => {
      const url = await box.downloadUrl('large');
      const headers = { 'accept-encoding': 'gzip' };
      const response = await fetch(url, { headers });
      assert.equal(response.headers.get('content-encoding'), 'gzip');
      assert.equal((await response.arrayBuffer()).byteLength, 12_000_000);
    });

    test('a full disk is told', async () => {
      const filled = '/mnt/small';
      await box.commands.run(`mkdir -p ${filled} && mount -t tmpfs -o size=1m none ${filled}`, { user: 'root' });
      await assert.rejects(
        box.files.write(`${filled}/x`, new Blob([Buffer.alloc(3_000_000)])),
        e2b.NotEnoughSpaceError,
      );
    });
  });
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');
}
