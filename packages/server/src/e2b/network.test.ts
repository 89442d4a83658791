import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOfNetwork, refuseOtherOptions } from './network.ts';

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
  refuseOtherOptions({ maskRequestHost: null, rules: { a: [] } });
  assert.throws(() => refuseOtherOptions({ maskRequestHost: 'x' }), { code: 'not_implemented' });
  assert.throws(() => refuseOtherOptions({ egressProxy: { a: 1 } }), { code: 'not_implemented' });
});
