import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import test, { after, before, beforeEach, type TestContext } from 'node:test';
import type { Change } from '@novasandbox/protocol';
import type { GuestAgent } from '../ports/guest-agent.ts';
import { liveBytes } from './testing/memory.ts';
import { startAgent, type RealAgent } from './testing/real-agent.ts';
import { rejects } from './testing/rejects.ts';

let real: RealAgent;
let agent: GuestAgent;
/** A directory of its own for each test. */
let directory: string;
let count = 0;
before(async () => {
  real = await startAgent();
  agent = await real.open();
});
after(async () => {
  await agent.close();
  await real[Symbol.asyncDispose]();
});
beforeEach(async () => {
  directory = join(real.directory, `test-${++count}`);
  await mkdir(directory);
});

async function contentOf(path: string, range: Parameters<GuestAgent['readFile']>[1] = {}): Promise<Buffer> {
  const { bytes } = await agent.readFile(path, range);
  return Buffer.concat(await Array.fromAsync(bytes));
}

test('a file is written whole, with its parents, mode and entry', { timeout: 10_000 }, async () => {
  const path = join(directory, 'a/b/file');
  const content = randomBytes(3_000_000);
  const entry = await agent.writeFile(path, [content.subarray(0, 10), content.subarray(10)], { mode: 0o640 });
  assert.deepEqual(
    [entry.name, entry.path, entry.type, entry.size, entry.mode],
    ['file', path, 'file', 3_000_000, 0o640],
  );
  assert.ok((await readFile(path)).equals(content));
  assert.equal((await stat(path)).mode & 0o777, 0o640);
  assert.ok(Math.abs(Date.parse(entry.modifiedAt) - (await stat(path)).mtimeMs) < 1000);
  assert.ok((await contentOf(path)).equals(content));
});

test('append, offset, exclusive and truncation', { timeout: 10_000 }, async () => {
  const path = join(directory, 'file');
  const write = (text: string, how: Parameters<GuestAgent['writeFile']>[2]) =>
    agent.writeFile(path, [Buffer.from(text)], how);
  await write('hello world', {});
  await write('!', { append: true });
  await write('W', { offset: 6 });
  assert.equal(String(await readFile(path)), 'hello World!');
  await rejects(write('x', { exclusive: true }), 'file_exists');
  await write('short', {});
  assert.equal(String(await readFile(path)), 'short');
  assert.equal((await agent.writeFile(path, [], {})).size, 0);
});

test('parts of files, files without a size, and those that are none', { timeout: 10_000 }, async () => {
  const path = join(directory, 'file');
  await writeFile(path, '0123456789');
  assert.equal(String(await contentOf(path, { offset: 2, length: 3 })), '234');
  assert.equal(String(await contentOf(path, { offset: 8, length: 100 })), '89');
  assert.equal(String(await contentOf(path, { offset: 100 })), '');
  assert.match(String(await contentOf('/proc/self/status')), /^Name:/);
  await rejects(agent.readFile(directory, {}), 'is_a_directory');
  await rejects(agent.readFile(join(directory, 'none'), {}), 'file_not_found');
  await rejects(agent.readFile(join(path, 'below'), {}), 'not_a_directory');
  await rejects(agent.stat('relative'), 'invalid_argument');
  await rejects(agent.stat(path, 'nobody-of-this-name'), 'unknown_user');
});

test('a large file passes a slow reader with little held here', { timeout: 60_000 }, async () => {
  const path = join(directory, 'large');
  const block = randomBytes(1_000_000);
  await agent.writeFile(
    path,
    (function* () {
      for (let i = 0; i < 100; i++) yield block;
    })(),
    {},
  );
  const { entry, bytes } = await agent.readFile(path, {});
  assert.equal(entry.size, 100_000_000);
  const base = await liveBytes();
  let received = 0;
  // Counted in bytes, because the number of chunks depends on how fast either side is.
  let nextLook = 10_000_000;
  const held: number[] = [];
  for await (const chunk of bytes) {
    assert.ok(
      Buffer.from(chunk)
        .subarray(0, 20)
        .equals(cyclic(block, received, Math.min(20, chunk.length))),
    );
    received += chunk.length;
    await new Promise((resolve) => setImmediate(resolve));
    if (received < nextLook) continue;
    nextLook += 10_000_000;
    held.push((await liveBytes()) - base);
  }
  assert.equal(received, 100_000_000);
  assert.ok(held.length > 0 && Math.max(...held) < 4 * 1024 * 1024, `${Math.max(...held)} bytes held`);
});

function cyclic(block: Buffer, at: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => block[(at + i) % block.length] ?? 0));
}

test('leaving a download frees its stream', { timeout: 20_000 }, async () => {
  const path = join(directory, 'file');
  await writeFile(path, Buffer.alloc(2_000_000));
  for (let i = 0; i < 1100; i++) {
    const { bytes } = await agent.readFile(path, {});
    for await (const _chunk of bytes) break;
  }
  assert.equal((await contentOf(path)).length, 2_000_000);
});

test('directories: made, listed, moved, removed', { timeout: 10_000 }, async () => {
  assert.equal(await agent.makeDirectory(join(directory, 'a/b'), { mode: 0o700 }), true);
  assert.equal(await agent.makeDirectory(join(directory, 'a/b'), {}), false);
  await writeFile(join(directory, 'file'), 'x');
  await rejects(agent.makeDirectory(join(directory, 'file'), {}), 'file_exists');
  await symlink('file', join(directory, 'link'));
  await symlink('nowhere', join(directory, 'zdangling'));
  const top = await agent.list(directory, {});
  assert.deepEqual(
    top.map(({ name, type, symlinkTarget }) => [name, type, symlinkTarget]),
    [
      ['a', 'directory', null],
      ['file', 'file', null],
      ['link', 'file', 'file'],
      ['zdangling', 'symlink', 'nowhere'],
    ],
  );
  const names = async (how: Parameters<GuestAgent['list']>[1]): Promise<string[]> =>
    (await agent.list(directory, how)).map(({ path }) => path.slice(directory.length + 1));
  assert.deepEqual(await names({ depth: 2 }), ['a', 'a/b', 'file', 'link', 'zdangling']);
  assert.deepEqual(await names({ depth: 2, limit: 3 }), ['a', 'a/b', 'file']);
  const moved = await agent.move(join(directory, 'file'), join(directory, 'c/d/file'));
  assert.equal(moved.path, join(directory, 'c/d/file'));
  assert.equal(await agent.remove(join(directory, 'zdangling')), true);
  assert.equal(await agent.remove(join(directory, 'c')), true);
  assert.equal(await agent.remove(join(directory, 'c')), false);
  await rejects(agent.list(join(directory, 'c'), {}), 'file_not_found');
  assert.deepEqual(await names({}), ['a', 'link']);
});

test('a directory of thousands of entries is listed whole', { timeout: 30_000 }, async () => {
  execFileSync('/bin/sh', ['-c', 'seq -f "file-%05g" 5000 | xargs touch'], { cwd: directory });
  const entries = await agent.list(directory, {});
  assert.equal(entries.length, 5000);
  assert.deepEqual([entries[0]?.name, entries[4999]?.name], ['file-00001', 'file-05000']);
});

test('names that are no UTF-8 do no harm', { timeout: 10_000 }, async () => {
  await writeFile(Buffer.concat([Buffer.from(`${directory}/a`), Buffer.from([0xff]), Buffer.from('b')]), 'x');
  assert.deepEqual(
    (await agent.list(directory, {})).map(({ name }) => name),
    ['a\ufffdb'],
  );
});

test('attributes', { timeout: 10_000 }, async () => {
  const path = join(directory, 'file');
  await writeFile(path, 'x');
  assert.equal((await agent.setAttributes(path, { mode: 0o4711 })).mode, 0o4711);
  const xattrs = { 'user.nova': Buffer.from('value') };
  assert.deepEqual((await agent.setAttributes(path, { xattrs })).xattrs, { 'user.nova': 'value' });
  assert.deepEqual((await agent.list(directory, { xattrs: true }))[0]?.xattrs, { 'user.nova': 'value' });
  assert.equal((await agent.list(directory, {}))[0]?.xattrs, undefined);
  await rejects(agent.setAttributes(join(directory, 'none'), { mode: 0o600 }), 'file_not_found');
});

test('an abort in the middle of an upload leaves the session well', { timeout: 10_000 }, async () => {
  const controller = new AbortController();
  const source = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.alloc(1_000_000);
    controller.abort();
    yield Buffer.alloc(1_000_000);
    await new Promise(() => {});
  };
  await rejects(agent.writeFile(join(directory, 'file'), source(), {}, { signal: controller.signal }), 'cancelled');
  await agent.ping();
});

test('a watch sees what happens from the moment it stands', { timeout: 20_000 }, async () => {
  await using changes = await agent.watch(directory, { recursive: true });
  await mkdir(join(directory, 'sub'));
  await writeFile(join(directory, 'file'), 'x');
  const seen: Change[] = [];
  for await (const change of changes) {
    seen.push(change);
    if (seen.some(({ name }) => name === 'sub') && change.name === 'file' && change.kind === 'write') break;
  }
  assert.ok(seen.some(({ kind, name }) => kind === 'create' && name === 'sub'));
  await rejects(agent.watch(join(directory, 'none'), {}), 'file_not_found');
});

test('archives go in and come out', { timeout: 20_000 }, async () => {
  const source = join(directory, 'source');
  await mkdir(join(source, 'sub'), { recursive: true });
  const content = randomBytes(1_000_000);
  await writeFile(join(source, 'sub/file'), content, { mode: 0o750 });
  await symlink('sub/file', join(source, 'link'));
  const archive = execFileSync('tar', ['-C', source, '-cf', '-', '.'], { maxBuffer: 2 ** 24 });
  const { entries } = await agent.tarIn(join(directory, 'in'), [archive], undefined);
  assert.ok(entries >= 3);
  assert.ok((await readFile(join(directory, 'in/sub/file'))).equals(content));
  assert.equal(await readlink(join(directory, 'in/link')), 'sub/file');
  const packed = Buffer.concat(await Array.fromAsync(await agent.tarOut(source, undefined)));
  const listing = execFileSync('tar', ['-tf', '-'], { input: packed }).toString();
  assert.match(listing, /sub\/file/);
  const unpacked = execFileSync('tar', ['-xOf', '-', '--wildcards', '*sub/file'], {
    input: packed,
    maxBuffer: 2 ** 24,
  });
  assert.ok(unpacked.equals(content));
  await rejects(agent.tarOut(join(directory, 'none'), undefined), 'file_not_found');
});

/** A server of this host, which is the agent's host too; it ends with the test. */
async function listen(t: TestContext, serve: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    serve(socket);
  }).listen(0, '127.0.0.1');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { server, port: address.port };
}

test('a tunnel carries bytes both ways to their ends', { timeout: 30_000 }, async (t) => {
  const { server, port } = await listen(t, (socket) => socket.pipe(socket));
  const tunnel = await agent.tunnel({ port });
  const content = randomBytes(10_000_000);
  tunnel.end(content);
  assert.ok(Buffer.concat(await tunnel.toArray()).equals(content));
  server.close();
  await once(server, 'close');
  await rejects(agent.tunnel({ port }), 'connection_refused');
});

test('a tunnel that is destroyed closes the connection in the guest', { timeout: 10_000 }, async (t) => {
  const closed = Promise.withResolvers<void>();
  const { port } = await listen(t, (socket) => {
    socket.on('error', () => {});
    socket.on('close', () => closed.resolve());
    socket.resume();
    socket.on('end', () => socket.end());
  });
  const tunnel = await agent.tunnel({ port });
  tunnel.destroy();
  await closed.promise;
});
