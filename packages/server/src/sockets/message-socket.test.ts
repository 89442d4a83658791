import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { messageSocket, type MessageSocket } from './message-socket.ts';

const beatMs = 20;

/** Opens a connection on which nobody reads the messages of the client. */
async function connected(): Promise<
  AsyncDisposable & { readonly accepted: WebSocket; readonly messages: MessageSocket; readonly client: WebSocket }
> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on('error', () => undefined);
  const [accepted] = (await once(server, 'connection')) as [WebSocket];
  const messages = messageSocket(accepted, beatMs);
  if (client.readyState !== client.OPEN) await once(client, 'open');
  return {
    accepted,
    messages,
    client,
    [Symbol.asyncDispose]: async () => {
      client.terminate();
      accepted.terminate();
      server.close();
      await once(server, 'close');
    },
  };
}

const ended = async ({ signal }: MessageSocket): Promise<void> => {
  if (!signal.aborted) await once(signal, 'abort');
};

test('a client that goes while its input is not taken is noticed', { timeout: 20_000 }, async () => {
  await using connection = await connected();
  const { accepted, messages, client } = connection;
  // More than the inbox holds: the socket pauses, and would not read the end of its connection.
  for (let piece = 0; piece < 64; piece++) client.send(Buffer.alloc(64 * 1024));
  while (!accepted.isPaused) await new Promise((resolve) => setImmediate(resolve));
  client.terminate();
  await ended(messages);
});

test('messages without bytes take up room too', { timeout: 20_000 }, async () => {
  await using connection = await connected();
  const { accepted, client } = connection;
  while (!accepted.isPaused) {
    for (let count = 0; count < 100; count++) client.send('');
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test('a client that answers nothing is given up on; one that answers is kept', { timeout: 20_000 }, async () => {
  await using connection = await connected();
  const { messages, client } = connection;
  let pings = 0;
  await new Promise<void>((resolve) => {
    client.on('ping', () => {
      if ((pings += 1) === 20) resolve();
    });
  });
  assert.equal(messages.signal.aborted, false);
  client.pause();
  await ended(messages);
});
