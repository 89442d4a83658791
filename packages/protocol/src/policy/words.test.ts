import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtInPolicies } from './policy.ts';
import { policyOf, ruleOf } from './words.ts';

test('words are hosts, ranges and presets', () => {
  assert.deepEqual(ruleOf('allow', '*.example.com'), { action: 'allow', host: '*.example.com' });
  assert.deepEqual(ruleOf('allow', 'a.test:443'), { action: 'allow', host: 'a.test', ports: [443] });
  assert.deepEqual(ruleOf('deny', 'a.test:8000-8100'), { action: 'deny', host: 'a.test', ports: ['8000-8100'] });
  assert.deepEqual(ruleOf('allow', '192.0.2.7'), { action: 'allow', cidr: '192.0.2.7' });
  assert.deepEqual(ruleOf('allow', '10.0.0.0/8:5432'), { action: 'allow', cidr: '10.0.0.0/8', ports: [5432] });
  assert.deepEqual(ruleOf('allow', 'preset:github'), { action: 'allow', preset: 'github' });
});

test('other words are refused with what is wrong', () => {
  for (const word of ['', 'https://a.test', 'a.test:', 'a.test:x', '10.0.0.0/40', 'preset:nobody', 'a b', '::1'])
    assert.throws(() => ruleOf('allow', word), { code: 'invalid_argument', hint: /preset:github/ }, word);
});

test('what is denied comes before what is allowed', () => {
  const base = { ...builtInPolicies.none, rules: [ruleOf('allow', 'c.test')] };
  const { rules } = policyOf({ base, allow: ['*.test'], deny: ['a.test'] });
  assert.deepEqual(
    rules.map(({ action, host }) => `${action} ${host ?? ''}`),
    ['deny a.test', 'allow *.test', 'allow c.test'],
  );
});
