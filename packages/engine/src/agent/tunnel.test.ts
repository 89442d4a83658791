import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import test from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import type { GuestAgent } from '../ports/guest-agent.ts';
import { INITIAL_CREDIT, MAX_DATA, encodeFrame } from './frame.ts';
import { frameKinds, messages } from './numbers.ts';
import { openHostile, type HostileGuest } from './testing/hostile-guest.ts';
import { rejects } from './testing/rejects.ts';

async function connect(
  agent: GuestAgent,
  guest: HostileGuest,
  signal?: AbortSignal,
): Promise<{ tunnel: Duplex; stream: number }> {
  const connecting = agent.tunnel({ port: 80 }, { signal });
  const { stream } = await guest.nextOf(frameKinds.open);
  await guest.message(stream, messages.connected);
  return { tunnel: await connecting, stream };
}

function finish(guest: HostileGuest, stream: number): Promise<void> {
  return guest.raw(encodeFrame(frameKinds.finish, stream, null));
}

test('bytes go both ways and each side ends by itself', async () => {
  const { agent, guest } = await openHostile();
  const { tunnel, stream } = await connect(agent, guest);
  tunnel.end('request');
  assert.equal((await guest.next()).body.toString(), 'request');
  assert.equal((await guest.next()).kind, frameKinds.finish);
  await guest.data(stream, 0, Buffer.from('ans'));
  await guest.data(stream, 0, Buffer.from('wer'));
  await finish(guest, stream);
  assert.equal(Buffer.concat(await tunnel.toArray()).toString(), 'answer');
  await guest.result(stream);
  const ping = agent.ping();
  const next = await guest.next();
  assert.equal(next.kind, frameKinds.open, 'no cancellation, which could cost the last bytes');
  await guest.result(next.stream);
  await ping;
  await agent.close();
});

test('a guest that never closes a finished connection is not waited for', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { agent, guest } = await openHostile();
  const { tunnel, stream } = await connect(agent, guest);
  tunnel.end();
  assert.equal((await guest.next()).kind, frameKinds.finish);
  await finish(guest, stream);
  assert.deepEqual(await tunnel.toArray(), []);
  assert.equal(guest.frames.at(-1)?.kind, frameKinds.finish);
  t.mock.timers.tick(30_000);
  assert.deepEqual([(await guest.next()).kind, guest.frames.at(-1)?.stream], [frameKinds.cancel, stream]);
  await agent.close();
});

test('nobody listens', async () => {
  const { agent, guest } = await openHostile();
  const connecting = rejects(agent.tunnel({ port: 80, address: 'unix:/run/x' }), 'connection_refused');
  await guest.error((await guest.next()).stream, 'unavailable');
  await connecting;
  await rejects(agent.tunnel({ port: 70_000 }), 'invalid_argument');
  await agent.close();
});

test('credit follows the reader', async () => {
  const { agent, guest } = await openHostile();
  const { tunnel, stream } = await connect(agent, guest);
  for (let sent = 0; sent + MAX_DATA <= INITIAL_CREDIT; sent += MAX_DATA) {
    await guest.data(stream, 0, Buffer.alloc(MAX_DATA));
  }
  const ping = agent.ping();
  const next = await guest.next();
  assert.equal(next.kind, frameKinds.open, 'what a tunnel buffers by itself is less than half the window');
  await guest.result(next.stream);
  await ping;
  let read = 0;
  const ended = once(tunnel, 'end');
  tunnel.on('data', (chunk: Buffer) => (read += chunk.length));
  const credit = await guest.next();
  assert.deepEqual([credit.kind, credit.stream], [frameKinds.credit, stream]);
  assert.ok(credit.body.readUInt32LE(0) >= INITIAL_CREDIT / 2);
  await finish(guest, stream);
  await ended;
  assert.equal(read, Math.floor(INITIAL_CREDIT / MAX_DATA) * MAX_DATA);
  await agent.close();
});

test('writes wait for credit', async () => {
  const { agent, guest } = await openHostile();
  const { tunnel, stream } = await connect(agent, guest);
  let flushed = false;
  const drained = once(tunnel, 'drain');
  assert.equal(
    tunnel.write(Buffer.alloc(INITIAL_CREDIT + 10), () => (flushed = true)),
    false,
  );
  let bytes = 0;
  while (bytes < INITIAL_CREDIT) bytes += (await guest.next()).body.length;
  assert.equal(flushed, false);
  await guest.credit(stream, 10);
  assert.equal((await guest.next()).body.length, 10);
  await drained;
  assert.ok(flushed);
  await agent.close();
});

test('destroying a connection cancels it', async () => {
  const { agent, guest } = await openHostile();
  const { tunnel, stream } = await connect(agent, guest);
  const closed = once(tunnel, 'close');
  tunnel.destroy();
  const frame = await guest.next();
  assert.deepEqual([frame.kind, frame.stream], [frameKinds.cancel, stream]);
  await closed;
  await agent.close();
});

test('an abort destroys a connection that stands', async () => {
  const { agent, guest } = await openHostile();
  const controller = new AbortController();
  const { tunnel } = await connect(agent, guest, controller.signal);
  const failing = once(tunnel, 'error');
  controller.abort();
  const [error] = (await failing) as [unknown];
  assert.ok(isNovaError(error, 'cancelled'));
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  await agent.close();
});

test('an error of the guest destroys the connection, and a close without an end ends both sides', async () => {
  const { agent, guest } = await openHostile();
  const first = await connect(agent, guest);
  const failing = once(first.tunnel, 'error');
  await guest.error(first.stream, 'internal');
  assert.ok(isNovaError(((await failing) as [unknown])[0], 'internal'));
  const second = await connect(agent, guest);
  await guest.data(second.stream, 0, Buffer.from('last'));
  await guest.result(second.stream);
  second.tunnel.on('data', () => {});
  await once(second.tunnel, 'end');
  const refused = once(second.tunnel, 'error');
  second.tunnel.write('x');
  assert.ok(isNovaError(((await refused) as [unknown])[0], 'connection_refused'));
  await agent.close();
});

test('a listener that throws costs its own connection alone', async () => {
  const { agent, guest } = await openHostile();
  const { tunnel, stream } = await connect(agent, guest);
  tunnel.on('data', () => {
    throw new Error('a defect of the caller');
  });
  const failing = once(tunnel, 'error');
  // The connection begins to flow in a later turn; only then does it deliver bytes while they are processed.
  await new Promise((resolve) => setImmediate(resolve));
  await guest.data(stream, 0, Buffer.from('x'));
  assert.match(String(((await failing) as [unknown])[0]), /a defect of the caller/);
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  const ping = agent.ping();
  await guest.result((await guest.next()).stream);
  await ping;
  await agent.close();
});

test('bytes before the connection stands and after its end are protocol errors', async () => {
  const first = await openHostile();
  const connecting = rejects(first.agent.tunnel({ port: 80 }), 'guest_protocol_error');
  await first.guest.data((await first.guest.next()).stream, 0, Buffer.from('x'));
  await connecting;
  const second = await openHostile();
  const { stream } = await connect(second.agent, second.guest);
  await finish(second.guest, stream);
  await second.guest.data(stream, 0, Buffer.from('x'));
  assert.ok(isNovaError(await second.agent.closed, 'guest_protocol_error'));
});
