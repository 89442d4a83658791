import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '@novasandbox/protocol';
import type { Tiding } from '../ports/egress.ts';
import { createTidings } from './tidings.ts';

const denial = (host: string, sandbox = 'box'): Decision => ({
  ...{ at: new Date(0).toISOString(), sandbox, action: 'deny', rule: 'otherwise', host, address: null, port: 443 },
  ...{ protocol: 'tls', code: 'not_allowed', remedy: null },
});

/** The next tiding about denials. */
async function next(reader: AsyncIterator<Tiding>): Promise<Extract<Tiding, { kind: 'denied' }>> {
  const { value } = (await reader.next()) as { value: Tiding };
  assert.ok(value.kind === 'denied');
  return value;
}

test('a flood of denials is told by its counts, and by few of them singly', async () => {
  let nowMs = 0;
  const tidings = createTidings(() => nowMs);
  using ending = { controller: new AbortController(), [Symbol.dispose]: () => ending.controller.abort() };
  const reader = tidings.follow(ending.controller.signal)[Symbol.asyncIterator]();
  const first = next(reader);
  for (let index = 0; index < 500; index += 1) tidings.denied(denial(`n${index}.test`));
  for (let index = 0; index < 3; index += 1) tidings.denied(denial('other.test', 'neighbour'));
  const flood = await first;
  assert.deepEqual([flood.sandbox, flood.counts], ['box', [{ code: 'not_allowed', count: 500 }]]);
  assert.deepEqual([flood.denials.length, flood.more], [20, 480]);
  const neighbour = await next(reader);
  assert.deepEqual([neighbour.denials.map(({ count }) => count), neighbour.more], [[3], 0]);

  // It gets one more place in ten seconds.
  nowMs += 10_000;
  const later = next(reader);
  for (let index = 0; index < 5; index += 1) tidings.denied(denial(`m${index}.test`));
  const { denials, more } = await later;
  assert.deepEqual([denials.length, more], [1, 4]);
});
