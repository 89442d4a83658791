import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { connectVsock } from './hybrid-vsock.ts';
import { socketServer } from './testing/socket-server.ts';

test('connects, and leaves every byte after the answer to the session', async () => {
  await using server = await socketServer((socket) => {
    socket.once('data', (asked) => socket.write(`OK 1073741824\nheard ${asked.toString()}`));
  });
  const socket = await connectVsock(server.path, 1024);
  const [first] = (await once(socket, 'data')) as [Buffer];
  assert.equal(first.toString(), 'heard CONNECT 1024\n');
  socket.destroy();
});

test('an answer in pieces is an answer', async () => {
  await using server = await socketServer((socket) => {
    socket.once('data', () => {
      for (const byte of Buffer.from('OK 7\n')) socket.write(Buffer.of(byte));
    });
  });
  (await connectVsock(server.path, 1024)).destroy();
});

for (const [what, answer] of [
  ['nobody listening', null],
  ['another answer', 'NO\n'],
  ['an endless answer', 'O'.repeat(100)],
] as const) {
  test(`${what} is told as unreachable`, async () => {
    await using server = await socketServer((socket) => {
      socket.once('data', () => (answer === null ? socket.end() : socket.write(answer)));
    });
    await assert.rejects(connectVsock(server.path, 1024), (error) => isNovaError(error, 'guest_unreachable'));
  });
}

test('an abort ends the wait and the connection', async () => {
  const controller = new AbortController();
  const closed = Promise.withResolvers<void>();
  await using server = await socketServer((socket) => {
    socket.on('close', () => closed.resolve());
    socket.once('data', () => controller.abort());
  });
  await assert.rejects(connectVsock(server.path, 1024, controller.signal), (error) => isNovaError(error, 'cancelled'));
  await closed.promise;
});
