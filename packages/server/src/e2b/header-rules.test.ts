import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretsOfRules } from './header-rules.ts';

const headers = (all: Record<string, string>) => [{ transform: { headers: all } }];

test('each header of a rule is a secret that requests get', () => {
  assert.deepEqual(secretsOfRules(null), []);
  assert.deepEqual(
    secretsOfRules({
      'api.example.com': headers({ Authorization: 'Bearer a-long-secret', 'X-Api-Key': 'another-one' }),
    }),
    [
      {
        name: 'e2b_rule_0',
        value: 'a-long-secret',
        hosts: [{ host: 'api.example.com' }],
        inject: { header: 'Authorization', format: 'Bearer {}' },
        env: null,
      },
      {
        name: 'e2b_rule_1',
        value: 'another-one',
        hosts: [{ host: 'api.example.com' }],
        inject: { header: 'X-Api-Key', format: '{}' },
        env: null,
      },
    ],
  );
});

test('rules that cannot hold are refused', () => {
  assert.throws(() => secretsOfRules({ '*': headers({ Authorization: 'Bearer a-long-secret' }) }), {
    code: 'invalid_argument',
  });
  assert.throws(() => secretsOfRules({ 'a.example': headers({ Host: 'other.example' }) }), {
    code: 'invalid_argument',
  });
  assert.throws(() => secretsOfRules({ 'a.example': headers({ 'X-Key': 'short' }) }), { code: 'invalid_argument' });
});
