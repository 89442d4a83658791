import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { endAtOnce } from './end-at-once.ts';

/** Both ends of a connection; the second reads nothing. */
async function connection(): Promise<{ readonly ours: Socket; readonly theirs: Socket } & Disposable> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const theirs = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [ours] = (await once(server, 'connection')) as [Socket];
  server.close();
  theirs.pause();
  for (const each of [ours, theirs]) each.on('error', () => undefined);
  return { ours, theirs, [Symbol.dispose]: () => [ours, theirs].forEach((each) => each.destroy()) };
}

/** More than all buffers of both sides hold. */
const much = Buffer.alloc(64 << 20);

test('a connection whose other side does not read ends at once, with a reset', async () => {
  using both = await connection();
  both.ours.write(much);
  assert.ok(both.ours.writableLength > 0);
  const closed = once(both.ours, 'close');
  const failed = once(both.theirs, 'error') as Promise<[NodeJS.ErrnoException]>;
  endAtOnce(both.ours);
  await closed;
  both.theirs.resume();
  assert.equal((await failed)[0].code, 'ECONNRESET');
});

test('one whose end waits to be sent is closed too', async () => {
  using both = await connection();
  both.ours.end(much);
  const closed = once(both.ours, 'close');
  endAtOnce(both.ours);
  await closed;
});

test('one with nothing to send is reset, and a second call does nothing', async () => {
  using both = await connection();
  both.theirs.resume();
  const failed = once(both.theirs, 'error') as Promise<[NodeJS.ErrnoException]>;
  const closed = once(both.ours, 'close');
  endAtOnce(both.ours);
  await closed;
  endAtOnce(both.ours);
  assert.equal((await failed)[0].code, 'ECONNRESET');
});
