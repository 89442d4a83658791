import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { ProbeOptions } from '../ports/vmm-driver.ts';
import { createSharedProbe } from './shared-probe.ts';

/** Probes that end when the test says so, or when they are abandoned; undoing them then takes a moment. */
function probing(keptForMs: (found: string) => number = () => Infinity) {
  const probes: { asked: ProbeOptions; end(found: string): void; undone: boolean }[] = [];
  const shared = createSharedProbe<string>(async (asked) => {
    const over = Promise.withResolvers<string>();
    const probe = { asked, end: over.resolve, undone: false };
    probes.push(probe);
    asked.signal?.addEventListener('abort', () => over.reject(new NovaError('cancelled', 'given up')));
    try {
      return await over.promise;
    } finally {
      await new Promise((resolve) => setImmediate(resolve));
      probe.undone = true;
    }
  }, keptForMs);
  return { shared, probes };
}
const cancelled = (error: unknown): boolean => isNovaError(error, 'cancelled');

test('who gives up leaves the probe to the others', async () => {
  const { shared, probes } = probing();
  const impatient = new AbortController();
  const given = shared.ask({ signal: impatient.signal });
  const waiting = shared.ask({});
  impatient.abort();
  await assert.rejects(given, cancelled);
  probes[0]?.end('works');
  assert.equal(await waiting, 'works');
  assert.equal(await shared.ask({}), 'works');
  assert.equal(probes.length, 1);
});

test('the last one to leave ends it and sees it undone; the next one probes anew', async () => {
  const { shared, probes } = probing();
  const impatient = new AbortController();
  const given = shared.ask({ signal: impatient.signal });
  impatient.abort();
  await assert.rejects(given, cancelled);
  assert.equal(probes[0]?.undone, true);
  const next = shared.ask({});
  probes[1]?.end('works');
  assert.equal(await next, 'works');
});

test('what is fresh is shared by those who want it fresh, and what is doubted is found again', async () => {
  const { shared, probes } = probing(() => 0);
  const one = shared.ask({});
  const two = shared.ask({ fresh: true });
  const three = shared.ask({ fresh: true });
  assert.equal(probes.length, 2);
  for (const [index, probe] of probes.entries()) probe.end(`found ${index}`);
  assert.deepEqual(await Promise.all([one, two, three]), ['found 0', 'found 1', 'found 1']);
  const four = shared.ask({});
  assert.equal(probes.length, 3);
  await Promise.all([shared.end(), assert.rejects(four, cancelled)]);
  assert.equal(probes[2]?.undone, true);
});
