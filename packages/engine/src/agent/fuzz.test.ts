import assert from 'node:assert/strict';
import test from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { ByteQueue } from './byte-queue.ts';
import { parseEntry } from './entry.ts';
import { FrameDecoder, PartJoiner } from './frame.ts';
import { EchoHunter } from './handshake.ts';
import { Fields } from './record.ts';
import { randomFrame, randomRecord } from './testing/mutate.ts';
import { Random } from './testing/random.ts';

/** Another seed tries other inputs: NOVA_FUZZ_SEED=5 NOVA_FUZZ_SCALE=20 node --test .../fuzz.test.ts */
const seed = Number(process.env['NOVA_FUZZ_SEED'] ?? 1);
const scale = Number(process.env['NOVA_FUZZ_SCALE'] ?? 1);

/** Runs `act`; anything but a protocol error fails the test. */
function onlyProtocolErrors(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    assert.ok(isNovaError(error, 'guest_protocol_error'), String(error));
    return false;
  }
}

test('the decoder takes anything, sliced anyhow', () => {
  const random = new Random(seed);
  let broken = 0;
  for (let round = 0; round < 300 * scale; round++) {
    let frames = 0;
    const parts = new PartJoiner();
    const decoder = new FrameDecoder((kind, stream, payload) => {
      frames++;
      parts.join(kind, stream, payload);
    });
    for (let i = 0; i < 50; i++) {
      let bytes = randomFrame(random, 10);
      let good = true;
      while (bytes.length > 0 && good) {
        const length = 1 + random.below(bytes.length);
        good = onlyProtocolErrors(() => decoder.push(bytes.subarray(0, length)));
        bytes = bytes.subarray(length);
      }
      if (!good) {
        broken++;
        break;
      }
    }
    assert.ok(frames <= 50 * 20);
  }
  assert.ok(broken > 0, 'the inputs include some that break the rules');
});

test('records take anything', () => {
  const random = new Random(seed + 1);
  let read = 0;
  for (let round = 0; round < 5000 * scale; round++) {
    const bytes = random.below(2) === 0 ? random.bytes(random.below(100)) : Buffer.from(randomRecord(random).finish());
    if (bytes.length > 0 && random.below(2) === 0) bytes[random.below(bytes.length)] = random.below(256);
    const good = onlyProtocolErrors(() => {
      const fields = new Fields(bytes);
      for (let tag = 0; tag < 20; tag++) {
        fields.string(tag);
        fields.strings(tag);
        fields.bytes(tag);
        onlyProtocolErrors(() => void fields.integer(tag));
        onlyProtocolErrors(() => void fields.bigint(tag));
        onlyProtocolErrors(() => void fields.records(tag, 100));
      }
      onlyProtocolErrors(() => assert.ok(Number.isSafeInteger(parseEntry(fields).size)));
    });
    if (good) read++;
  }
  assert.ok(read > 0);
});

test('the handshake takes anything', () => {
  const random = new Random(seed + 2);
  for (let round = 0; round < 200 * scale; round++) {
    const hunter = new EchoHunter(random.bytes(16));
    for (let i = 0; i < 20; i++) {
      const bytes =
        random.below(2) === 0 ? random.bytes(random.below(200)) : Buffer.from('\xffNOVAGC1\x01\0', 'latin1');
      assert.equal(hunter.push(bytes), null);
    }
  }
});

test('the queue of bytes keeps count', () => {
  const random = new Random(seed + 3);
  for (let round = 0; round < 50 * scale; round++) {
    const queue = new ByteQueue();
    let held = 0;
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.alloc(random.pick([0, 1, 3, 1000, 16_383, 16_384, random.below(32_768)]));
      queue.push(random.below(4), bytes);
      held += bytes.length;
      if (random.below(2) === 0) held -= queue.shift()?.bytes.length ?? 0;
    }
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) held -= item.bytes.length;
    assert.equal(held, 0);
  }
});
