import assert from 'node:assert/strict';
import test from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import {
  END_MARK,
  FrameDecoder,
  MAX_JOINED,
  MAX_PAYLOAD,
  PartJoiner,
  encodeCredit,
  encodeFrame,
  encodeJoined,
} from './frame.ts';
import { liveBytes } from './testing/memory.ts';
import { Random } from './testing/random.ts';
import { frameKinds } from './numbers.ts';

type Frame = [kind: number, stream: number, payload: string];

function decode(chunks: Iterable<Buffer>): Frame[] {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder((kind, stream, payload) => frames.push([kind, stream, payload.toString('latin1')]));
  for (const chunk of chunks) decoder.push(chunk);
  assert.ok(decoder.atBoundary);
  return frames;
}

const isProtocolError = (error: unknown): boolean => isNovaError(error, 'guest_protocol_error');

test('a frame is length, kind, stream, payload and mark, little-endian', () => {
  const frame = encodeFrame(frameKinds.data, 0x01020304, 7, Buffer.from('ab'));
  assert.deepEqual([...frame], [3, 0, 0, 0, 2, 4, 3, 2, 1, 7, 0x61, 0x62, END_MARK]);
  assert.deepEqual([...encodeFrame(frameKinds.cancel, 5, null)], [0, 0, 0, 0, 8, 5, 0, 0, 0, END_MARK]);
  assert.deepEqual([...encodeCredit(1, 131_072)], [4, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 2, 0, END_MARK]);
});

test('a frame larger than the limit is not encoded', () => {
  assert.equal(encodeFrame(frameKinds.data, 1, 0, Buffer.alloc(MAX_PAYLOAD - 1)).length, MAX_PAYLOAD + 10);
  assert.throws(() => encodeFrame(frameKinds.data, 1, 0, Buffer.alloc(MAX_PAYLOAD)), RangeError);
});

test('the slicing of the stream does not matter', () => {
  const random = new Random(1);
  const sizes = [0, 1, 2, 300, 9, 10, MAX_PAYLOAD - 1, 5000, 0];
  const frames = sizes.map((size, i) => encodeFrame(i % 2 === 0 ? 2 : 3, i, size % 256, random.bytes(size)));
  const whole = Buffer.concat(frames);
  const expected = decode([whole]);
  assert.equal(expected.length, sizes.length);
  const slices = (next: () => number): Buffer[] => {
    const chunks: Buffer[] = [];
    for (let at = 0; at < whole.length;) {
      const size = next();
      chunks.push(whole.subarray(at, at + size));
      at += size;
    }
    return chunks;
  };
  assert.deepEqual(decode(slices(() => 1)), expected);
  assert.deepEqual(decode(frames), expected);
  for (let round = 0; round < 50; round++) {
    assert.deepEqual(decode(slices(() => 1 + random.below(round < 25 ? 20 : 40_000))), expected);
  }
});

test('a frame that lies whole in its chunk is not copied', () => {
  const chunk = Buffer.concat([encodeFrame(2, 1, 1, Buffer.from('one')), encodeFrame(2, 1, 1, Buffer.from('two'))]);
  let views = 0;
  new FrameDecoder((_kind, _stream, payload) => {
    if (payload.buffer === chunk.buffer) views++;
  }).push(chunk);
  assert.equal(views, 2);
});

test('a length above the limit and a wrong mark are protocol errors, in one piece and byte by byte', () => {
  const long = encodeFrame(2, 1, 1, Buffer.from('x'));
  long.writeUInt32LE(MAX_PAYLOAD + 1, 0);
  const unmarked = encodeFrame(2, 1, 1, Buffer.from('x'));
  unmarked[unmarked.length - 1] = 0;
  for (const bytes of [long, unmarked, Buffer.alloc(16, 0xff)]) {
    assert.throws(() => decode([bytes]), isProtocolError);
    assert.throws(() => decode([...bytes].map((byte) => Buffer.from([byte]))), isProtocolError);
  }
});

test('a payload longer than a frame goes in parts and comes back joined', () => {
  const random = new Random(2);
  for (const size of [0, MAX_PAYLOAD - 1, MAX_PAYLOAD, 2 * MAX_PAYLOAD - 1, 2 * MAX_PAYLOAD, 100_000, MAX_JOINED - 1]) {
    const body = random.bytes(size);
    const joiner = new PartJoiner();
    const joined: Buffer[] = [];
    new FrameDecoder((kind, stream, payload) => {
      assert.equal(stream, 3);
      const whole = joiner.join(kind, stream, payload);
      if (whole !== null) joined.push(whole);
    }).push(encodeJoined(frameKinds.message, 3, 9, body));
    assert.equal(joined.length, 1);
    assert.ok(joined[0]?.equals(Buffer.concat([Buffer.from([9]), body])), `${size} bytes`);
  }
});

test('parts that break the rules are protocol errors', () => {
  const part = Buffer.alloc(10);
  const after = (kind: number, stream: number) => () => {
    const joiner = new PartJoiner();
    assert.equal(joiner.join(frameKinds.part, 1, part), null);
    joiner.join(kind, stream, part);
  };
  assert.throws(after(frameKinds.message, 3), isProtocolError);
  assert.throws(after(frameKinds.part, 3), isProtocolError);
  assert.throws(after(frameKinds.data, 1), isProtocolError);
  assert.throws(after(frameKinds.credit, 0), isProtocolError);
  after(frameKinds.result, 1)();
});

test('parts without end are refused at the limit, and tiny ones hold no more than it', async () => {
  const before = await liveBytes();
  const joiner = new PartJoiner();
  const chunk = Buffer.alloc(65_536);
  for (let sent = 0; sent < MAX_JOINED; sent++) {
    // The decoder returns such views; some keep a chunk of their own alive.
    joiner.join(frameKinds.part, 1, sent % 1024 === 0 ? Buffer.alloc(65_536).subarray(0, 1) : chunk.subarray(0, 1));
  }
  const held = (await liveBytes()) - before;
  assert.ok(held < 2 * MAX_JOINED, `${held} bytes held`);
  assert.throws(() => joiner.join(frameKinds.part, 1, chunk.subarray(0, 1)), isProtocolError);
});
