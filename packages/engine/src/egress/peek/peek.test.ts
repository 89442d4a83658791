import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { readClientHello } from './client-hello.ts';
import { contentOf, peek } from './peek.ts';

/** The first bytes of Node's own TLS client. */
async function helloOf(servername: string | undefined, protocols?: string[]): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectTls({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    ...(servername === undefined ? {} : { servername }),
    ...(protocols === undefined ? {} : { ALPNProtocols: protocols }),
  });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  let bytes: Buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk]);
    if (readClientHello(bytes) !== 'incomplete') break;
  }
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

test('the server and the protocols that a real client names are read, however its bytes arrive', async () => {
  const hello = await helloOf('api.example.com', ['h2', 'http/1.1']);
  assert.ok(hello.length > 1000, 'keys after quantum computers make it longer than a packet');
  const read = { serverName: 'api.example.com', protocols: ['h2', 'http/1.1'] };
  assert.deepEqual(readClientHello(hello), read);
  for (let length = 1; length < hello.length; length += 1)
    assert.equal(readClientHello(hello.subarray(0, length)), 'incomplete', String(length));
  assert.deepEqual(readClientHello(Buffer.concat([hello, randomBytes(500)])), read);
  assert.deepEqual(await helloOf(undefined).then(readClientHello), { serverName: null, protocols: [] });
});

test('a handshake that is split over records is read', async () => {
  const hello = await helloOf('split.example.com');
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += 100) {
    const part = message.subarray(at, at + 100);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  assert.deepEqual(readClientHello(Buffer.concat(records)), { serverName: 'split.example.com', protocols: [] });
});

test('no bytes make it throw, and two names are none', async () => {
  const hello = await helloOf('api.example.com');
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Buffer.from(hello);
    bytes[(round * 13) % bytes.length] = round & 0xff;
    readClientHello(bytes);
    contentOf(randomBytes(round % 64), round % 2 === 0);
  }
  const name = Buffer.from('evil.example');
  const list = Buffer.concat([Buffer.from([0, 0, 0, name.length + 5, 0, name.length + 3, 0, 0, name.length]), name]);
  const [length, extensions] = [hello.length - 9, lengthOfExtensions(hello)];
  const twice = Buffer.concat([hello, list]);
  twice.writeUInt16BE(length + 4 + list.length, 3);
  twice.writeUIntBE(length + list.length, 6, 3);
  twice.writeUInt16BE(extensions.value + list.length, extensions.at);
  assert.equal(readClientHello(twice), 'malformed');
});

/** Where the length of all extensions is in a hello of one record. */
function lengthOfExtensions(hello: Buffer): { readonly at: number; readonly value: number } {
  let at = 9 + 2 + 32;
  at += 1 + (hello[at] ?? 0);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + (hello[at] ?? 0);
  return { at, value: hello.readUInt16BE(at) };
}

test('content is told by its first line', () => {
  const kindOf = (text: string, isEnded = false) => contentOf(Buffer.from(text, 'latin1'), isEnded)?.kind ?? null;
  assert.equal(kindOf('GET / HTTP/1.1\r\n'), 'http');
  assert.equal(kindOf('\r\n\nPOST http://a.test/ HTTP/1.0\n'), 'http');
  assert.equal(kindOf('GET / HT'), null);
  assert.equal(kindOf('GET / HT', true), 'other');
  assert.equal(kindOf('SSH-2.0-OpenSSH'), 'other');
  assert.equal(kindOf('OPTIONS rtsp://a RTSP/1.0\r\n'), 'other');
  assert.equal(kindOf('PRI * HTTP/2.0\r\n'), 'other');
  assert.equal(kindOf(`GET /${'a'.repeat(10_000)}`), 'malformed');
  assert.equal(kindOf('\u0016'), null);
  assert.equal(kindOf('\u0016\u0003\u0001', true), 'malformed');
  assert.equal(kindOf('', true), 'other');
});

test('who is silent is told from who has said something, of which nothing is lost', async () => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  assert.equal(await peek(socket, 20), null);
  const beginning = peek(socket, 5000);
  client.write('GET / HT');
  client.write('TP/1.1\r\nHost: a.test\r\n');
  const { content, head } = (await beginning) ?? {};
  assert.equal(content?.kind, 'http');
  assert.match(head?.toString() ?? '', /^GET \/ HTTP\/1\.1\r\n/);
  client.destroy();
  socket.destroy();
  await assert.rejects(peek(socket, 5000), /closed/);
  server.close();
});
