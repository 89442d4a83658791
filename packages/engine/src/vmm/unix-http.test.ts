import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { isUnanswered } from './patience.ts';
import { socketServer } from './testing/socket-server.ts';
import { unixHttpClient, type UnixHttpClient } from './unix-http.ts';
import { connectUnixSocket } from './unix-socket.ts';

async function client(serve: (socket: Socket) => void): Promise<{ http: UnixHttpClient } & AsyncDisposable> {
  const server = await socketServer(serve);
  const http = unixHttpClient(await connectUnixSocket(server.path));
  return {
    http,
    [Symbol.asyncDispose]: async () => {
      http.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Calls `answer` once `count` requests have come. */
const afterRequests = (count: number, answer: (socket: Socket, heard: string) => void) => (socket: Socket) => {
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString();
    if (heard.split(' HTTP/1.1\r\n').length > count) answer(socket, heard);
  });
};

test('requests go out without waiting, and answers are told apart by their order', async () => {
  let heard = '';
  const answers =
    'HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n' +
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 \r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{"fault_message":"größ"}' +
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain';
  await using each = await client(
    afterRequests(3, (socket, all) => {
      heard = all;
      // They are sent in pieces, also split within a character.
      for (const byte of Buffer.from(answers)) socket.write(Buffer.of(byte));
    }),
  );
  const { http } = each;
  const calls = [http.call('PUT', '/a', { x: 1 }), http.call('PATCH', '/b', {}), http.call('GET', '/c')];
  const [a, b, c] = await Promise.all(calls);
  assert.deepEqual(a, { status: 204, body: null });
  assert.deepEqual(b, { status: 400, body: { fault_message: 'größ' } });
  assert.deepEqual(c, { status: 200, body: 'plain' });
  assert.match(heard, /^PUT \/a HTTP\/1\.1\r\n(?:.+\r\n)*Content-Length: 7\r\n\r\n\{"x":1\}PATCH \/b /);
  assert.match(heard, /GET \/c HTTP\/1\.1\r\nHost: localhost\r\nAccept: application\/json\r\n\r\n$/);
});

test('a lost connection fails every call, those of later too', async () => {
  await using each = await client(afterRequests(2, (socket) => socket.end('HTTP/1.1 204 \r\n\r\n')));
  const { http } = each;
  const [first, second] = [http.call('PUT', '/a', {}), http.call('PUT', '/b', {})];
  assert.equal((await first).status, 204);
  await assert.rejects(second, (error) => isNovaError(error, 'vmm_failed') && /PUT \/b/.test(error.message));
  await assert.rejects(http.call('GET', '/c'), (error) => isNovaError(error, 'vmm_failed'));
});

for (const [what, answer] of [
  ['what is no HTTP', 'hello\r\n\r\n'],
  ['an answer without a length', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
  ['an endless answer', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n'],
  ['an endless head', 'x'.repeat((4 << 20) + 1)],
] as const) {
  test(`${what} ends the connection`, async () => {
    await using each = await client(afterRequests(1, (socket) => socket.write(answer)));
    await assert.rejects(each.http.call('GET', '/'), (error) => isNovaError(error, 'vmm_failed'));
  });
}

test('an abort fails the call, and no later one takes its answer', async () => {
  const controller = new AbortController();
  await using each = await client(afterRequests(1, () => controller.abort()));
  await assert.rejects(each.http.call('GET', '/', undefined, controller.signal), (error) =>
    isNovaError(error, 'cancelled'),
  );
  await assert.rejects(each.http.call('GET', '/'), (error) => isNovaError(error, 'vmm_failed'));
  await assert.rejects(each.http.call('GET', '/', undefined, AbortSignal.abort()), (error) =>
    isNovaError(error, 'cancelled'),
  );
});

test('a VMM that takes requests and does not answer is given up, and can still be told what undoes them', async () => {
  const told = Promise.withResolvers<string>();
  await using each = await client(afterRequests(2, (_socket, heard) => told.resolve(heard)));
  const { http } = each;
  await assert.rejects(http.call('PATCH', '/vm', { state: 'Paused' }, undefined, 20), isUnanswered);
  http.leave('PATCH', '/vm', { state: 'Resumed' });
  assert.match(
    await told.promise,
    /\{"state":"Paused"\}PATCH \/vm HTTP\/1\.1\r\n(?:.+\r\n)*\r\n\{"state":"Resumed"\}$/,
  );
  await assert.rejects(http.call('GET', '/'), (error) => isNovaError(error, 'vmm_failed'));
});
