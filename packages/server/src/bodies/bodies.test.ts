import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { createByteBudget } from './byte-budget.ts';
import { textWithin } from './json-body.ts';
import { createJsonMeter } from './json-meter.ts';

test('a JSON body has to be whole in time, and no larger than it may be', async () => {
  const bodyOf = (length?: number) =>
    Object.assign(new PassThrough(), {
      headers: length === undefined ? {} : { 'content-length': String(length) },
    }) as unknown as IncomingMessage & PassThrough;
  const limits = { bytes: 10, ms: 40 };
  const held = createByteBudget(1000).hold('ann');
  const whole = bodyOf();
  whole.write('{"a"');
  whole.end(':"ä"}');
  assert.equal(await textWithin(whole, limits, held), '{"a":"ä"}');
  const silent = bodyOf();
  silent.write('{');
  await assert.rejects(textWithin(silent, limits, held), (error) => isNovaError(error, 'request_timeout'));
  // The answer still has to go over the same connection.
  assert.equal(silent.destroyed, false);
  await assert.rejects(textWithin(bodyOf(11), limits, held), (error) => isNovaError(error, 'payload_too_large'));
  const endless = bodyOf();
  endless.write('x'.repeat(11));
  await assert.rejects(textWithin(endless, limits, held), (error) => isNovaError(error, 'payload_too_large'));
  const leaving = bodyOf();
  const read = textWithin(leaving, limits, held);
  leaving.destroy();
  await assert.rejects(read, (error) => isNovaError(error, 'cancelled'));
});

test('JSON is refused while it arrives: too deep, too many values; what stands in strings does not count', () => {
  const meter = (...texts: string[]): void => {
    const metered = createJsonMeter();
    for (const text of texts) metered(Buffer.from(text));
  };
  const refused = (...texts: string[]): void =>
    assert.throws(
      () => meter(...texts),
      (error) => isNovaError(error, 'malformed_request'),
    );
  meter('['.repeat(32), ']'.repeat(32));
  refused('['.repeat(33));
  refused('{"a":['.repeat(17));
  refused(...Array<string>(33).fill('['));
  meter(`[${'0,'.repeat(16_000)}0]`);
  refused(`[${'0,'.repeat(17_000)}`);
  refused('[],'.repeat(9000));
  // Brackets and commas in a string do not count, even when a chunk ends in the middle of an escape.
  meter('["', '[,'.repeat(20_000), '\\', '"', '[['.repeat(50), '"]');
  refused('["\\\\"', ',0'.repeat(17_000));
  meter(`[${'[],'.repeat(8000)}[]]`);
});

test('bodies that are held share a budget, of which nobody has more than half', () => {
  const budget = createByteBudget(100);
  const full = (take: () => void): void =>
    assert.throws(take, (error) => isNovaError(error, 'rate_limited') && error.details['retry_after_seconds'] === 1);
  const ann = budget.hold('ann');
  ann.add(30);
  {
    using second = budget.hold('ann');
    second.add(20);
    full(() => second.add(1));
  }
  ann.add(20);
  const bob = budget.hold('bob');
  bob.add(50);
  full(() => budget.hold('eve').add(1));
  bob[Symbol.dispose]();
  bob[Symbol.dispose]();
  budget.hold('eve').add(50);
  // A disposed body holds no bytes, and bytes that are added later do not count.
  bob.add(1000);
  full(() => ann.add(1));
});
