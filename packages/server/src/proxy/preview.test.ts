import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPreviews } from '../previews/previews.ts';
import { serverConfigSchema } from '../config/schema.ts';
import { admissionOf, withHost, withoutTokens } from './preview.ts';

const store = { previews: () => [], putPreview: () => undefined, removePreview: () => undefined };
const config = serverConfigSchema.parse({});
const wanted = { port: 3000, expiresInMs: 60_000, rewriteHost: true };
const target = { sandboxId: 'box1', port: 3000 };
const host = ['Host', '3000-box1.localhost:8000'];

function admitted(url: string, headers: readonly string[] = [], method = 'GET') {
  const previews = createPreviews(store);
  const { token } = previews.add('box1', wanted);
  const fill = (text: string): string => text.replaceAll('TOKEN', token);
  const rawHeaders = [...host, ...headers.map(fill)];
  const found = admissionOf({ previews, config }, target, { method, url: fill(url), rawHeaders });
  return { found, token };
}

test('a token in the query becomes a cookie of this host alone, and leaves the address', () => {
  const { found, token } = admitted('/a?b=1&nova_token=TOKEN&c=2');
  assert.equal(found?.redirect?.location, '/a?b=1&c=2');
  assert.match(
    found?.redirect?.cookie ?? '',
    new RegExp(`^nova_preview=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=\\d+$`),
  );
});

test('no token leads to another host', () => {
  for (const path of ['//evil.test', '/\\evil.test', '\\\\evil.test', '///evil.test/'])
    assert.match(admitted(`${path}?nova_token=TOKEN`).found?.redirect?.location ?? '', /^\/evil/);
});

test('a cookie, a header, and a query that is no visit of a page are let in at once', () => {
  assert.equal(admitted('/', ['Cookie', 'a=b; nova_preview=TOKEN']).found?.redirect, null);
  assert.equal(admitted('/', ['Nova-Preview-Token', 'TOKEN']).found?.redirect, null);
  assert.equal(admitted('/?nova_token=TOKEN', [], 'POST').found?.redirect, null);
});

test('a token opens its own port of its own sandbox, until it is revoked or has expired', (context) => {
  context.mock.timers.enable({ apis: ['Date'] });
  const previews = createPreviews(store);
  const { token, preview } = previews.add('box1', wanted);
  assert.equal(previews.openedBy(token, 'box1', 3000)?.id, preview.id);
  assert.equal(previews.openedBy(token, 'box1', 3001), null);
  assert.equal(previews.openedBy(token, 'box2', 3000), null);
  assert.equal(previews.openedBy(`${token}0`, 'box1', 3000), null);
  assert.equal(previews.openedBy(`${preview.id}_`, 'box1', 3000), null);
  context.mock.timers.tick(60_001);
  assert.equal(previews.openedBy(token, 'box1', 3000), null);
  assert.deepEqual(previews.list('box1'), []);
  const second = previews.add('box1', wanted);
  assert.throws(() => previews.remove('box2', second.preview.id), { code: 'not_found' });
  previews.remove('box1', second.preview.id);
  assert.equal(previews.openedBy(second.token, 'box1', 3000), null);
});

test('the guest sees no token', () => {
  const sent = ['Cookie', 'a=b; nova_preview=x; c=d', 'Nova-Preview-Token', 'x', 'cookie', 'nova_preview=x', 'A', 'b'];
  assert.deepEqual(withoutTokens('/p?nova_token=x&q=1', sent), {
    url: '/p?q=1',
    headers: ['Cookie', 'a=b; c=d', 'A', 'b'],
  });
  assert.equal(withoutTokens('/p?nova_token=x', []).url, '/p');
  assert.equal(withoutTokens('//p?q', []).url, '//p?q');
});

test('Host becomes localhost, and Origin with it if it is of the same page', () => {
  const [own, foreign] = ['http://3000-box1.localhost:8000', 'http://evil.test'];
  assert.deepEqual(withHost([...host, 'Origin', own], 'localhost:3000'), [
    'Host',
    'localhost:3000',
    'Origin',
    'http://localhost:3000',
  ]);
  assert.deepEqual(withHost([...host, 'Origin', foreign], 'localhost:3000'), [
    'Host',
    'localhost:3000',
    'Origin',
    foreign,
  ]);
});
