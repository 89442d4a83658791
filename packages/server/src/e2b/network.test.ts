import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkPolicySchema } from '@novasandbox/protocol';
import { networkOfPolicy, networkSchema, networkUpdateSchema, policyOfNetwork, refuseOtherOptions } from './network.ts';

test('what is allowed comes before what is denied, and all is denied only where that is said', () => {
  assert.equal(policyOfNetwork({}), null);
  assert.deepEqual(policyOfNetwork({}, false), { otherwise: 'deny' });
  assert.deepEqual(policyOfNetwork({ denyOut: ['0.0.0.0/0'] }), { rules: [], otherwise: 'deny' });
  assert.deepEqual(policyOfNetwork({ allowOut: ['1.1.1.1'], denyOut: ['1.1.1.0/24'] }), {
    rules: [
      { action: 'allow', cidr: '1.1.1.1' },
      { action: 'deny', cidr: '1.1.1.0/24' },
    ],
    otherwise: 'allow',
  });
  assert.deepEqual(policyOfNetwork({ allowOut: ['*.example.com'], denyOut: ['0.0.0.0/0'] }), {
    rules: [{ action: 'allow', host: '*.example.com' }],
    otherwise: 'deny',
  });
});

test('names are allowed only where all else is denied', () => {
  assert.throws(() => policyOfNetwork({ allowOut: ['example.com'] }), { code: 'invalid_argument' });
  assert.deepEqual(policyOfNetwork({ allowOut: ['example.com'] }, false)?.otherwise, 'deny');
});

test('other options are refused where they ask for something', () => {
  refuseOtherOptions({ maskRequestHost: 'x', egressProxy: null, rules: { a: [] } }, networkSchema);
  refuseOtherOptions({ rules: { a: [] } }, networkUpdateSchema);
  assert.throws(() => refuseOtherOptions({ egressProxy: { address: 'proxy.test:1080' } }, networkSchema), {
    code: 'not_implemented',
  });
  // They cannot be changed while a sandbox runs.
  for (const asked of [{ maskRequestHost: 'x' }, { httpsPorts: [1] }, { allowPublicTraffic: true }])
    assert.throws(() => refuseOtherOptions(asked, networkUpdateSchema), { code: 'not_implemented' });
});

test('a mask is a host and nothing that could be more than one header', () => {
  const accepts = (maskRequestHost: string): boolean => networkSchema.safeParse({ maskRequestHost }).success;
  for (const mask of ['localhost:${PORT}', 'app-${PORT}.example.com', 'example.com', '127.0.0.1:80'])
    assert.ok(accepts(mask), mask);
  for (const mask of ['', 'a b', 'a\r\nb: c', 'http://a', 'a:b', '${OTHER}', 'a/b']) assert.ok(!accepts(mask), mask);
  for (const httpsPorts of [[0], ['443'], [70_000]])
    assert.ok(!networkSchema.safeParse({ httpsPorts }).success, String(httpsPorts));
});

test('options are told as they were given', () => {
  assert.deepEqual(networkOfPolicy('all'), {});
  // A name of somebody's policy does not tell what it allows.
  assert.deepEqual(networkOfPolicy('web'), {});
  assert.deepEqual(networkOfPolicy('none'), { denyOut: ['0.0.0.0/0'] });
  const given = { allowOut: ['*.example.com', '1.1.1.1'], denyOut: ['1.1.0.0/16', '0.0.0.0/0'] };
  assert.deepEqual(networkOfPolicy(networkPolicySchema.parse(policyOfNetwork(given))), given);
});
