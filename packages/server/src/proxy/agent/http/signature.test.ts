import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { hasExpired, signatureOf, signedRequest } from './signature.ts';

test('a signature covers path, operation, user, token and expiry', () => {
  const signed = { path: 'a b', operation: 'read', user: 'root', expiration: '123' } as const;
  const hash = createHash('sha256').update('a b:read:root:token:123').digest('base64').replaceAll('=', '');
  assert.equal(signatureOf(signed, 'token'), `v1_${hash}`);
  assert.notEqual(signatureOf({ ...signed, expiration: null }, 'token'), `v1_${hash}`);
  assert.notEqual(signatureOf({ ...signed, operation: 'write' }, 'token'), `v1_${hash}`);
});

test('read from a query', () => {
  assert.equal(signedRequest(new URLSearchParams('path=a'), 'read'), null);
  const signed = signedRequest(new URLSearchParams('path=a&signature=v1_x&username=u&signature_expiration=9'), 'write');
  assert.deepEqual(signed, { path: 'a', operation: 'write', user: 'u', signature: 'v1_x', expiration: '9' });
});

test('what is no time has expired', () => {
  const at = (expiration: string | null) =>
    hasExpired({ path: '', operation: 'read', user: '', signature: '', expiration }, 10_000);
  assert.deepEqual([at(null), at('11'), at('10'), at('9'), at(''), at('x')], [false, false, true, true, true, true]);
});
