import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import fastify from 'fastify';
import { patiently } from '../bodies/body-time.ts';
import { httpError } from './errors.ts';
import { goneSignal } from './gone.ts';
import { createRateLimit } from './rate-limit.ts';
import { createRequestIds } from './request-id.ts';

test('a body that falls silent is given up on; one that is slow but comes is not', async () => {
  const body = new PassThrough();
  let left = 8;
  const timer = setInterval(() => {
    body.write('x');
    if (--left > 0) return;
    clearInterval(timer);
    body.end();
  }, 20);
  let bytes = 0;
  for await (const chunk of patiently(body, 100)) bytes += chunk.length;
  assert.equal(bytes, 8);
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

test('requests are counted by the minute and by name', () => {
  let now = 0;
  const limit = createRateLimit(2, () => now);
  assert.deepEqual(
    [1, 2, 3].map(() => limit.take('a').exceeded),
    [false, false, true],
  );
  assert.equal(limit.take('b').exceeded, false);
  now = 60_000;
  assert.equal(limit.take('a').exceeded, false);
  assert.equal(createRateLimit(0).take('a').exceeded, false);
});

test('errors of the framework become ours, ids of clients are taken when they are ids', () => {
  const large = Object.assign(new Error('x'), { code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 });
  assert.equal(httpError(large).code, 'payload_too_large');
  assert.equal(httpError(Object.assign(new Error('x'), { statusCode: 400 })).code, 'malformed_request');
  assert.equal(httpError(new Error('x')).code, 'internal');
  const requestIdOf = createRequestIds();
  const withId = (id: string) => requestIdOf({ headers: { 'x-request-id': id } });
  assert.equal(withId('abc-1'), 'abc-1');
  assert.notEqual(withId('a\nb'), 'a\nb');
});

test('a client that leaves is noticed by its end of the connection; one that was answered is not gone', async (t) => {
  const app = fastify();
  t.after(() => app.close());
  const signals: AbortSignal[] = [];
  const waiting = Promise.withResolvers<Socket>();
  const noticed = Promise.withResolvers<void>();
  app.get('/at-once', async (request, reply) => {
    signals.push(goneSignal(request, reply));
    return request.raw.socket.listenerCount('end');
  });
  app.get('/waiting', async (request, reply) => {
    const signal = goneSignal(request, reply);
    waiting.resolve(request.raw.socket);
    await once(signal, 'abort');
    noticed.resolve();
    return '';
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('utf8');
  const counts: string[] = [];
  for (let index = 0; index < 2; index++) {
    socket.write('GET /at-once HTTP/1.1\r\nHost: x\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [string];
    counts.push(answer.slice(answer.indexOf('\r\n\r\n')));
  }
  // Requests leave no listeners behind on their connection.
  assert.equal(counts[0], counts[1]);
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [false, false],
  );
  socket.write('GET /waiting HTTP/1.1\r\nHost: x\r\n\r\n');
  const served = await waiting.promise;
  socket.destroy();
  await noticed.promise;
  // The signal aborts before the connection is closed, so that a handler that is just finishing still notices.
  assert.equal(served.destroyed, false);
});
