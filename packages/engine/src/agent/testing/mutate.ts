import { encodeFrame } from '../frame.ts';
import { RecordWriter } from '../record.ts';
import type { Random } from './random.ts';
import { frameKinds } from '../numbers.ts';

/**
 * Bytes as a malicious guest may send them: made from a seed, and close enough to the protocol to pass its first
 * checks.
 */

const guestKinds = [frameKinds.data, frameKinds.message, frameKinds.credit, frameKinds.result] as const;
const rareKinds = [frameKinds.finish, frameKinds.error, frameKinds.part, frameKinds.open, 0, 10, 255] as const;

/** Fields of any tag; mostly small numbers. */
export function randomRecord(random: Random, depth = 0): RecordWriter {
  const record = new RecordWriter();
  for (let count = random.below(6); count > 0; count--) {
    const tag = 1 + random.below(18);
    const roll = random.below(40);
    if (roll === 0) record.integer(tag, random.pick([2n ** 64n - 1n, 2n ** 53n, 2n ** 63n]));
    else if (roll === 1) record.bytes(tag, random.bytes(random.below(20)));
    else if (roll < 5) record.string(tag, random.pick(['not_found', 'internal', 'x', 'a/b', '']));
    else if (roll < 8 && depth < 2) record.record(tag, randomRecord(random, depth + 1));
    else record.integer(tag, random.below(5));
  }
  return record;
}

function randomPayload(random: Random, kind: number): Buffer {
  if (random.below(100) === 0) return random.bytes(random.below(50));
  switch (kind) {
    case frameKinds.data:
      return random.bytes(random.pick([0, 1, 100, random.below(20_000)]));
    case frameKinds.credit:
      return Buffer.from([random.below(256), random.below(256), 0, 0]);
    case frameKinds.finish:
      return Buffer.alloc(0);
    default:
      return randomRecord(random).finish();
  }
}

function randomLead(random: Random, kind: number): number | null {
  if (kind === frameKinds.data) return random.below(10) === 0 ? random.below(256) : 1;
  return kind === frameKinds.message ? 1 + random.below(8) : null;
}

/** Returns a frame: mostly a valid one, sometimes with a byte changed, cut short or followed by noise. */
export function randomFrame(random: Random, streams: number): Buffer {
  const kind = random.below(12) === 0 ? random.pick(rareKinds) : random.pick(guestKinds);
  const stream = random.below(20) === 0 ? random.below(2 ** 31) : 1 + 2 * random.below(streams);
  const frame = encodeFrame(kind, stream, randomLead(random, kind), randomPayload(random, kind));
  const roll = random.below(100);
  if (roll === 0) frame[random.below(frame.length)] = random.below(256);
  if (roll === 1) return frame.subarray(0, random.below(frame.length));
  if (roll === 2) return random.bytes(random.below(200));
  return frame;
}

/** Returns the bytes with one byte changed, or cut short, doubled or followed by noise. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  switch (random.below(4)) {
    case 0:
      changed[random.below(changed.length)] = random.below(256);
      return changed;
    case 1:
      return changed.subarray(0, random.below(changed.length));
    case 2:
      return Buffer.concat([changed, changed]);
    default:
      return Buffer.concat([changed, random.bytes(random.below(50))]);
  }
}
