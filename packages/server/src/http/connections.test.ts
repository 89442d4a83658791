import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createConnectionLimit } from './connection-limit.ts';
import { hangUp } from './linger.ts';
import { boundPipelining } from './pipelining.ts';
import { sourceOf } from './source.ts';

async function portOf(t: TestContext, server: ReturnType<typeof createServer>): Promise<number> {
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

const connected = async (port: number, { localAddress = '127.0.0.1', allowHalfOpen = false } = {}): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
};

test('an IPv6 address counts as its /64, one that is IPv4 in disguise as that', () => {
  assert.equal(sourceOf('192.0.2.1'), '192.0.2.1');
  assert.equal(sourceOf('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(sourceOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(sourceOf('2001:DB8:1:2::9'), '2001:db8:1:2::/64');
  assert.equal(sourceOf('2001:db8::1:2:3:4:5'), '2001:db8:0:1::/64');
  assert.equal(sourceOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.equal(sourceOf('::1'), '0:0:0:0::/64');
  assert.equal(sourceOf(undefined), 'local');
});

test('of one address so many connections are taken and no more; others are taken, and again when one has closed', async (t) => {
  const server = createServer((_request, response) => response.end('ok'));
  createConnectionLimit(2).watch(server);
  const port = await portOf(t, server);
  const [first] = [await connected(port), await connected(port)];
  const third = await connected(port);
  third.resume();
  await once(third, 'close');
  const other = await connected(port, { localAddress: '127.0.0.2' });
  other.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(other, 'data');
  other.destroy();
  first?.destroy();
  let answered = false;
  while (!answered) {
    const again = await connected(port);
    again.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    answered = await Promise.race([once(again, 'data').then(() => true), once(again, 'close').then(() => false)]);
  }
});

test('a connection with valid credentials does not count', async (t) => {
  const limit = createConnectionLimit(1);
  const server = createServer((request, response) => {
    if (request.url === '/known') limit.vouchFor(request.socket);
    response.end('ok');
  });
  limit.watch(server);
  const port = await portOf(t, server);
  for (let count = 0; count < 3; count++) {
    const known = await connected(port);
    known.write('GET /known HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(known, 'data');
  }
  const stranger = await connected(port);
  stranger.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(stranger, 'data');
  const second = await connected(port);
  second.resume();
  await once(second, 'close');
});

test('a few requests may be sent ahead, and are answered in order; more end the connection', async (t) => {
  let begun = 0;
  const server = createServer(
    boundPipelining((request, response) => {
      begun += 1;
      setImmediate(() => response.end(request.url));
    }),
  );
  const port = await portOf(t, server);
  const ahead = (count: number): string =>
    Array.from({ length: count }, (_, index) => `GET /${index} HTTP/1.1\r\nHost: x\r\n\r\n`).join('');
  const few = await connected(port);
  let answers = '';
  few.setEncoding('latin1').on('data', (text: string) => (answers += text));
  few.write(`${ahead(4)}GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await once(few, 'end');
  assert.deepEqual(answers.match(/\/\w+$|\/\d(?=HTTP)/g), ['/0', '/1', '/2', '/3', '/last']);
  begun = 0;
  const many = await connected(port);
  many.resume().write(ahead(1500));
  await once(many, 'close');
  assert.ok(begun < 3, `${begun} requests were begun`);
});

test('a connection that is hung up ends, also where the other side keeps it open', { timeout: 20_000 }, async (t) => {
  const server = createServer();
  server.on('upgrade', (_request, socket) => hangUp(socket, 'HTTP/1.1 400 Bad Request\r\n\r\n'));
  const port = await portOf(t, server);
  const socket = await connected(port, { allowHalfOpen: true });
  const accepted = new Promise<void>((resolve) => {
    server.once('upgrade', (_request, ours) => ours.once('close', () => resolve()));
  });
  socket.resume().write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
  await accepted;
});
