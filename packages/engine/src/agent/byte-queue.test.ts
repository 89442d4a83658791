import assert from 'node:assert/strict';
import test from 'node:test';
import { ByteQueue } from './byte-queue.ts';
import { INITIAL_CREDIT } from './frame.ts';
import { liveBytes } from './testing/memory.ts';
import { Random } from './testing/random.ts';

test('bytes come out in order and on their channel, whatever their sizes and whenever they are taken', () => {
  const random = new Random(4);
  for (let round = 0; round < 100; round++) {
    const queue = new ByteQueue();
    // Each byte with its channel in front of it.
    const pushed: Buffer[] = [];
    const shifted: Buffer[] = [];
    const take = (): boolean => {
      const item = queue.shift();
      if (item === undefined) return false;
      assert.ok(item.bytes.length > 0);
      shifted.push(marked(item.channel, item.bytes));
      return true;
    };
    for (let i = 0; i < 100; i++) {
      const channel = 1 + random.below(2);
      const bytes = random.bytes(random.pick([0, 1, 1, 5, 200, random.below(20_000)]));
      pushed.push(marked(channel, bytes));
      queue.push(channel, bytes);
      if (random.below(3) === 0) take();
    }
    while (take());
    assert.ok(Buffer.concat(shifted).equals(Buffer.concat(pushed)));
  }
});

function marked(channel: number, bytes: Buffer): Buffer {
  const marks = Buffer.alloc(bytes.length * 2, channel);
  for (let i = 0; i < bytes.length; i++) marks[2 * i + 1] = bytes[i] ?? 0;
  return marks;
}

test('what a consumer holds does not change when more arrives', () => {
  const queue = new ByteQueue();
  queue.push(1, Buffer.from('first'));
  queue.push(1, Buffer.from('second'));
  queue.push(2, Buffer.from('x'));
  assert.equal(queue.shift()?.bytes.toString(), 'first');
  const second = queue.shift()?.bytes;
  queue.push(1, Buffer.from('third'));
  assert.equal(second?.toString(), 'second');
  queue.push(2, Buffer.from('y'));
  assert.equal(queue.shift()?.bytes.toString(), 'x');
  assert.equal(queue.shift()?.bytes.toString(), 'third');
  assert.equal(queue.shift()?.bytes.toString(), 'y');
});

test('large payloads are not copied', () => {
  const queue = new ByteQueue();
  const large = Buffer.alloc(32_000);
  queue.push(1, large);
  queue.push(1, large);
  assert.equal(queue.shift()?.bytes, large);
  assert.equal(queue.shift()?.bytes, large);
});

test('a full window holds a small multiple of its bytes, however the guest slices it', async () => {
  const slicings: [name: string, size: (i: number) => number][] = [
    ['single bytes', () => 1],
    ['just copied', () => 16_383],
    ['just viewed', () => 16_384],
    ['large and small in turn', (i) => (i % 2 === 0 ? 16_384 : 1)],
  ];
  for (const [name, size] of slicings) {
    const before = await liveBytes();
    const queue = new ByteQueue();
    for (let i = 0, left = INITIAL_CREDIT; left > 0; i++) {
      const length = Math.min(size(i), left);
      // The decoder yields views of 64 KiB chunks; the worst case is a chunk for each payload. Single bytes share one,
      // because the test would take a minute otherwise.
      const chunk = length === 1 && i > 100 ? shared : Buffer.alloc(65_536);
      queue.push(1 + (i % 2), chunk.subarray(0, length));
      left -= length;
    }
    const held = (await liveBytes()) - before;
    assert.ok(held < 8 * INITIAL_CREDIT, `${name}: ${held} bytes held`);
    assert.ok(queue.shift() !== undefined);
  }
});

const shared = Buffer.alloc(65_536);
