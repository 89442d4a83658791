import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TailBuffer } from './tail-buffer.ts';

const text = (buffer: TailBuffer): string => new TextDecoder().decode(buffer.bytes());

test('everything is kept up to the limit', () => {
  const buffer = new TailBuffer(10);
  buffer.add(new TextEncoder().encode('01234'));
  buffer.add(new TextEncoder().encode('56789'));
  assert.equal(text(buffer), '0123456789');
  assert.equal(buffer.truncated, false);
});

test('the newest bytes win beyond it', () => {
  const buffer = new TailBuffer(4);
  for (const part of ['ab', 'cdefghij', 'k']) buffer.add(new TextEncoder().encode(part));
  assert.equal(text(buffer), 'hijk');
  assert.equal(buffer.total, 11);
  assert.equal(buffer.truncated, true);
});

test('a limit of 0 keeps nothing', () => {
  const buffer = new TailBuffer(0);
  buffer.add(new Uint8Array(100));
  assert.equal(buffer.bytes().length, 0);
});

test('any cut gives the same bytes', () => {
  const all = Uint8Array.from({ length: 700_000 }, (_, index) => (index * 31) % 251);
  for (const [limit, step] of [
    [1000, 7],
    [300_000, 4093],
    [600_000, 65_536],
    [1_000_000, 333_333],
  ] as const) {
    const buffer = new TailBuffer(limit);
    for (let at = 0; at < all.length; at += step) buffer.add(all.subarray(at, at + step));
    assert.deepEqual(Buffer.from(buffer.bytes()), Buffer.from(all.slice(-limit)), `${limit} by ${step}`);
  }
});

test('bytes one at a time do not cost an object each', () => {
  const buffer = new TailBuffer(1_000_000);
  const before = process.memoryUsage().heapUsed;
  for (let count = 0; count < 1_000_000; count += 1) buffer.add(new Uint8Array(1));
  assert.ok(process.memoryUsage().heapUsed - before < 100_000_000);
  assert.equal(buffer.bytes().length, 1_000_000);
});
