import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';
import { addCors } from './cors.ts';

async function appFor(origins: readonly string[]) {
  const app = fastify();
  await addCors(app, origins);
  // Stands for authentication, which comes after CORS and before any route.
  app.addHook('onRequest', async (_request, reply) => reply.code(401).send());
  app.get('/', async () => 'ok');
  return app;
}

const ours = 'https://app.example';

test('a preflight of an allowed page is answered without credentials', async () => {
  await using app = await appFor(['https://other.example', ours]);
  const headers = { origin: ours, 'access-control-request-method': 'POST' };
  const answer = await app.inject({ method: 'OPTIONS', url: '/', headers });
  assert.equal(answer.statusCode, 204);
  assert.equal(answer.headers['access-control-allow-origin'], ours);
  assert.match(String(answer.headers['access-control-allow-methods']), /^GET, POST, PUT, PATCH, DELETE$/);
  assert.match(String(answer.headers['access-control-allow-headers']), /x-api-key/);
  assert.equal(answer.headers['access-control-max-age'], '600');
  assert.match(String(answer.headers.vary), /origin/i);
});

test('answers to an allowed page may be read by it, with the headers about limits', async () => {
  await using app = await appFor([ours]);
  const answer = await app.inject({ url: '/', headers: { origin: ours } });
  assert.equal(answer.statusCode, 401);
  assert.equal(answer.headers['access-control-allow-origin'], ours);
  assert.match(String(answer.headers['access-control-expose-headers']), /retry-after/);
});

test('other pages, other uses of OPTIONS and daemons without pages get nothing of it', async () => {
  await using app = await appFor([ours]);
  await using none = await appFor([]);
  const preflight = { 'access-control-request-method': 'POST' };
  for (const [from, headers] of [
    [app, { origin: 'https://evil.example', ...preflight }],
    [app, { origin: `${ours}.evil.example`, ...preflight }],
    [app, preflight],
    [none, { origin: ours, ...preflight }],
  ] as const) {
    const answer = await from.inject({ method: 'OPTIONS', url: '/', headers });
    assert.equal(answer.statusCode, 401);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  }
  const options = await app.inject({ method: 'OPTIONS', url: '/', headers: { origin: ours } });
  assert.equal(options.statusCode, 401);
});
