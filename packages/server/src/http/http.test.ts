import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { patiently, timeLimited } from './body-time.ts';
import { httpError } from './errors.ts';
import { createRateLimit } from './rate-limit.ts';
import { requestIdOf } from './request-id.ts';

test('a body that falls silent is given up on; one that is slow but comes is not', async () => {
  const body = new PassThrough();
  const timer = setInterval(() => body.write('x'), 20);
  setTimeout(() => {
    clearInterval(timer);
    body.end();
  }, 150);
  let bytes = 0;
  for await (const chunk of patiently(body, 100)) bytes += chunk.length;
  assert.ok(bytes >= 4);
  const silent = new PassThrough();
  silent.write('x');
  await assert.rejects(
    async () => {
      for await (const _ of patiently(silent, 30));
    },
    (error) => isNovaError(error, 'request_timeout'),
  );
  assert.equal(silent.destroyed, false);
});

test('a body that is not whole in time fails, also when nobody listens', async () => {
  const limited = timeLimited(new PassThrough(), 20);
  await new Promise((resolve) => setTimeout(resolve, 40));
  assert.ok(isNovaError(limited.errored, 'request_timeout'));
});

test('requests are counted by the minute and by name', () => {
  let now = 0;
  const limit = createRateLimit(2, () => now);
  assert.deepEqual(
    [1, 2, 3].map(() => limit.take('a').exceeded),
    [false, false, true],
  );
  assert.equal(limit.take('b').exceeded, false);
  assert.equal(limit.peek('a').exceeded, true);
  now = 60_000;
  assert.equal(limit.take('a').exceeded, false);
  assert.equal(createRateLimit(0).take('a').exceeded, false);
});

test('errors of the framework become ours, ids of clients are taken when they are ids', () => {
  const large = Object.assign(new Error('x'), { code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 });
  assert.equal(httpError(large).code, 'payload_too_large');
  assert.equal(httpError(Object.assign(new Error('x'), { statusCode: 400 })).code, 'malformed_request');
  assert.equal(httpError(new Error('x')).code, 'internal');
  const withId = (id: string) => requestIdOf({ headers: { 'x-request-id': id } } as unknown as IncomingMessage);
  assert.equal(withId('abc-1'), 'abc-1');
  assert.notEqual(withId('a\nb'), 'a\nb');
});
