import assert from 'node:assert/strict';
import { Duplex, PassThrough, duplexPair } from 'node:stream';
import test from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { openSession } from './connect.ts';
import { encodeFrame } from './frame.ts';
import { EchoHunter, FLUSH_LENGTH, MAGIC, encodeHello } from './handshake.ts';
import { HostileGuest } from './testing/hostile-guest.ts';
import { Random } from './testing/random.ts';

const nonce = Buffer.from('0123456789abcdef');
const isProtocolError = (error: unknown): boolean => isNovaError(error, 'guest_protocol_error');

function echo(version = 1, of: Uint8Array = nonce): Buffer {
  return Buffer.concat([MAGIC, Buffer.from([version, 0]), of]);
}

test('the hello is filler on wish, magic, versions and nonce', () => {
  const hello = encodeHello(nonce, true);
  assert.equal(hello.length, FLUSH_LENGTH + 26);
  assert.ok(hello.subarray(0, FLUSH_LENGTH).every((byte) => byte === 0xff));
  const bare = encodeHello(nonce, false);
  assert.ok(hello.subarray(FLUSH_LENGTH).equals(bare));
  assert.ok(bare.equals(Buffer.concat([MAGIC, Buffer.from([1, 1]), nonce])));
});

test('the echo is found behind what an old session left, however it is cut', () => {
  const random = new Random(3);
  const rest = Buffer.from('rest');
  for (const noise of [
    Buffer.alloc(0),
    random.bytes(100),
    Buffer.alloc(50, 0xff),
    MAGIC,
    MAGIC.subarray(0, 5),
    Buffer.concat([MAGIC, MAGIC.subarray(0, 7)]),
    echo(1, Buffer.alloc(16, 1)),
    Buffer.concat([echo(1, Buffer.alloc(16, 1)), MAGIC, Buffer.from([1, 0]), nonce.subarray(0, 15)]),
  ]) {
    const bytes = Buffer.concat([noise, echo(), rest]);
    for (let size = 1; size <= bytes.length; size++) {
      const hunter = new EchoHunter(nonce);
      let found: ReturnType<EchoHunter['push']> = null;
      let at = 0;
      while (found === null && at < bytes.length) {
        found = hunter.push(bytes.subarray(at, at + size));
        at += size;
      }
      assert.equal(found?.version, 1);
      assert.equal(Buffer.concat([found?.rest ?? nonce, bytes.subarray(at)]).toString(), 'rest');
    }
  }
});

test('a version that was not offered is a protocol error', () => {
  assert.throws(() => new EchoHunter(nonce).push(echo(0)), /no version/);
  assert.throws(() => new EchoHunter(nonce).push(echo(2)), isProtocolError);
});

test('the own hello coming back is no echo', () => {
  assert.equal(new EchoHunter(nonce).push(encodeHello(nonce, true)), null);
});

test('garbage without end is given up at 64 MiB', () => {
  const hunter = new EchoHunter(nonce);
  const chunk = Buffer.alloc(1024 * 1024, 0xff);
  for (let mib = 0; mib < 64; mib++) assert.equal(hunter.push(chunk), null);
  assert.throws(() => hunter.push(chunk), isProtocolError);
});

test('a session flushes when asked, and what follows the echo belongs to it', async () => {
  for (const flush of [true, false]) {
    const [host, far] = duplexPair();
    const guest = new HostileGuest(far);
    const agent = await openSession(host, { flush });
    assert.equal(guest.flushed, flush ? FLUSH_LENGTH : 0);
    const ping = agent.ping();
    await guest.result((await guest.next()).stream);
    await ping;
    await agent.close();
  }
});

test('what comes right behind the echo is not lost', async () => {
  const host = new Duplex({ read() {}, write: (_chunk, _encoding, settle) => settle() });
  const written = new Promise<Buffer>((resolve) => {
    host._write = (chunk: Buffer, _encoding, settle) => {
      settle();
      resolve(chunk);
    };
  });
  const opening = openSession(host, { flush: false });
  host.push(echo(1, (await written).subarray(-16)));
  host.push(encodeFrame(99, 1, null));
  const agent = await opening;
  assert.ok(isProtocolError(await agent.closed));
});

test('a guest that does not answer costs the time limit, and the stream is destroyed', async () => {
  const [host, far] = duplexPair();
  const guest = new HostileGuest(far, { greet: false });
  await assert.rejects(openSession(host, { flush: false, timeoutMs: 20 }), (error) =>
    isNovaError(error, 'guest_unreachable'),
  );
  assert.ok(host.destroyed);
  await guest.end();
});

test('an abort ends the handshake', async () => {
  const [host] = duplexPair();
  const controller = new AbortController();
  const opening = openSession(host, { flush: true, signal: controller.signal });
  controller.abort();
  await assert.rejects(opening, (error) => isNovaError(error, 'cancelled'));
  assert.ok(host.destroyed);
  const [second] = duplexPair();
  await assert.rejects(openSession(second, { flush: true, signal: AbortSignal.abort() }), (error) =>
    isNovaError(error, 'cancelled'),
  );
  assert.ok(second.destroyed);
});

test('a stream that ends, fails or was destroyed before is unreachable', async () => {
  const unreachable = (error: unknown): boolean => isNovaError(error, 'guest_unreachable');
  const [ending, far] = duplexPair();
  far.end();
  await assert.rejects(openSession(ending, { flush: false }), unreachable);

  const failing = new PassThrough();
  const opening = openSession(failing, { flush: false });
  failing.destroy(new Error('reset'));
  await assert.rejects(opening, unreachable);

  const [destroyed] = duplexPair();
  destroyed.destroy();
  await assert.rejects(openSession(destroyed, { flush: false }), unreachable);
});
