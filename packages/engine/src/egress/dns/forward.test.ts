import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { queryForwarding } from './forward.ts';

const asker = {};
const query = Buffer.from('12340100', 'hex');

test('a query goes to the name server as it is, and so does its answer; a forged one is not taken', async () => {
  const server = createSocket('udp4');
  server.on('message', (message, { port, address }) => {
    server.send(Buffer.from('9999', 'hex'), port, address);
    server.send(Buffer.concat([message, Buffer.from('answer')]), port, address);
  });
  await once(server.bind(0, '127.0.0.1'), 'listening');
  try {
    const queries = queryForwarding(() => '127.0.0.1', server.address().port);
    assert.deepEqual(await queries.overUdp(asker, query), Buffer.concat([query, Buffer.from('answer')]));
  } finally {
    server.close();
  }
});

test('over TCP, an answer in pieces is put together; a server that hangs up, or that is not there, gives none', async () => {
  const server = createServer((socket) => {
    socket.once('data', (asked: Buffer) => {
      if (asked.length > 6) return void socket.end();
      const answer = Buffer.concat([Buffer.from([0, 5]), Buffer.from('whole')]);
      socket.write(answer.subarray(0, 1));
      setImmediate(() => socket.end(answer.subarray(1)));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  try {
    const queries = queryForwarding(() => '127.0.0.1', address.port);
    assert.equal((await queries.overTcp(asker, query))?.toString(), 'whole');
    assert.equal(await queries.overTcp(asker, Buffer.alloc(20)), null);
  } finally {
    server.close();
    await once(server, 'close');
  }
  const queries = queryForwarding(() => '127.0.0.1', address.port);
  assert.equal(await queries.overTcp(asker, query), null);
  assert.equal(await queryForwarding(() => null).overUdp(asker, query), null);
});
