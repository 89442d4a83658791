import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkPolicySchema } from '@novasandbox/protocol';
import { explain } from './explain.ts';

const policy = networkPolicySchema.parse({
  rules: [
    { action: 'allow', host: 'a.test', ports: [443] },
    { action: 'allow', host: 'b.test', ports: [80], paths: ['/api'] },
    { action: 'allow', cidr: '192.0.2.0/24' },
  ],
});

test('an explanation says where it is decided, by which rule, and what helps', () => {
  const rows = [
    [{ host: 'A.test', port: 443 }, true, 'allow a.test:443', 'connection'],
    [{ host: 'a.test', port: 22 }, false, 'otherwise', 'connection'],
    [{ host: 'c.test', port: 443 }, false, 'otherwise', 'name'],
    [
      { host: 'b.test', port: 80, request: { method: 'GET', path: '/api/x' } },
      true,
      'allow b.test:80 /api',
      'connection',
    ],
    [{ host: 'b.test', port: 80, request: { method: 'GET', path: '/other' } }, false, 'otherwise', 'connection'],
    [{ host: '192.0.2.1', port: 22 }, true, 'allow 192.0.2.0/24', 'connection'],
    [{ host: '127.0.0.1', port: 22 }, false, 'otherwise', 'connection'],
    [{ host: '2130706433', port: 80 }, false, 'protocol', 'name'],
  ] as const;
  for (const [wish, allowed, rule, at] of rows) {
    const found = explain(policy, wish);
    assert.deepEqual([found.allowed, found.rule, found.at], [allowed, rule, at], JSON.stringify(wish));
  }
  assert.match(explain(policy, { host: 'c.test', port: 443 }).remedy ?? '', /--allow c\.test/);
});
