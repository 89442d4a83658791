import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretPositionsSchema, type SecretPositions, type ServedSecret } from '@novasandbox/protocol';
import { replaceInFields } from './json-fields.ts';
import { placeValue } from './place.ts';
import { secretSet } from './secret-set.ts';

const [placeholder, value] = ['PLACEHOLDER', '$&/the value'];
const positions = (more: Partial<SecretPositions> = {}): SecretPositions => ({
  ...secretPositionsSchema.parse({}),
  ...more,
});
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const headersOf = (headers: readonly string[], more?: Partial<SecretPositions>): readonly string[] =>
  placeValue({ path: '/', headers }, { placeholder, value, positions: positions(more) }).headers;
const pathOf = (path: string, more?: Partial<SecretPositions>): string =>
  placeValue({ path, headers: [] }, { placeholder, value, positions: positions(more) }).path;

test('the value goes into the headers that are named, whatever their case, and into Basic', () => {
  assert.deepEqual(headersOf(['AUTHORIZATION', `Bearer ${placeholder}`, 'X-Other', placeholder]), [
    ...['AUTHORIZATION', `Bearer ${value}`],
    ...['X-Other', placeholder],
  ]);
  const basic = (text: string, more?: Partial<SecretPositions>) =>
    headersOf(['Authorization', `Basic ${base64(text)}`], more)[1];
  assert.equal(basic(`user:${placeholder}`), `Basic ${base64(`user:${value}`)}`);
  assert.equal(basic(`${placeholder}:`), `Basic ${base64(`${value}:`)}`);
  assert.equal(basic(`user:${placeholder}`, { basic: false }), `Basic ${base64(`user:${placeholder}`)}`);
  assert.equal(basic(`user:x${placeholder}`), `Basic ${base64(`user:x${placeholder}`)}`);
});

test('the value goes into the path and the parameters that are named, percent-encoded', () => {
  const encoded = encodeURIComponent(value);
  assert.equal(pathOf(`/${placeholder}?key=${placeholder}`), `/${placeholder}?key=${placeholder}`);
  assert.equal(pathOf(`/${placeholder}?key=${placeholder}`, { path: true }), `/${encoded}?key=${placeholder}`);
  assert.equal(
    pathOf(`/${placeholder}?a&k%65y=${placeholder}&b=${placeholder}`, { query: ['key'] }),
    `/${placeholder}?a&k%65y=${encoded}&b=${placeholder}`,
  );
});

test('the value goes into the fields of JSON that are named, and all else stays', () => {
  const replaced = (text: string, ...fields: string[]) =>
    replaceInFields(Buffer.from(text), fields, placeholder, value)?.toString() ?? null;
  assert.equal(
    replaced(`{"a":{"b":"x ${placeholder}"},"n":1.50,"big":12345678901234567890}`, 'a.b'),
    `{"a":{"b":"x ${value}"},"n":1.50,"big":12345678901234567890}`,
  );
  assert.equal(
    replaced(`{"list":[{"key":"${placeholder}"}],"__proto__":{"a":1}}`, 'list.key'),
    `{"list":[{"key":"${value}"}],"__proto__":{"a":1}}`,
  );
  assert.equal(replaced(`{"a":"${placeholder}"}`, 'b'), null);
  assert.equal(replaced(`not ${placeholder}`, 'a'), null);
});

const secret = (more: Partial<ServedSecret>): ServedSecret => ({
  ...{ name: 'A', placeholder: 'PLACEHOLDER-OF-A', value: 'the-value-of-a', inject: null, budget: {} },
  ...{ hosts: [{ host: '*.example.com', port: 443 }], positions: positions(), used: { requests: 0, bytes: 0 } },
  ...more,
});
const place = { host: 'api.example.com', port: 443, isVerified: true };

test('a secret is placed for its hosts alone, and only where the server was verified', () => {
  const set = secretSet([secret({})]);
  const head = { path: '/', headers: ['authorization', 'Bearer PLACEHOLDER-OF-A'] };
  const codeAt = (where: typeof place): string => {
    const placed = set.place(head, where);
    return 'refused' in placed ? `${placed.refused.code} ${placed.refused.rule}` : placed.headers.join(' ');
  };
  assert.equal(codeAt(place), 'authorization Bearer the-value-of-a');
  for (const other of [
    { host: 'example.com' },
    { host: 'api.example.com.evil.test' },
    { port: 8443 },
    { isVerified: false },
  ])
    assert.equal(codeAt({ ...place, ...other }), 'secret_misplaced secret A');
  assert.deepEqual([set.reads(place), set.reads({ host: 'example.com', port: 443 })], [true, false]);
});

test('a value that holds the placeholder of another secret is none of its uses', () => {
  const set = secretSet([
    secret({}),
    secret({ name: 'B', placeholder: 'PLACEHOLDER-OF-B', value: 'x-the-value-of-b' }),
  ]);
  const both = set.place(
    { path: '/', headers: ['authorization', 'PLACEHOLDER-OF-A', 'x-api-key', 'PLACEHOLDER-OF-B'] },
    place,
  );
  assert.ok(!('refused' in both));
  assert.deepEqual(both.used, ['A', 'B']);
});

test('what was used counts across changes of the secrets', () => {
  const first = secretSet([secret({ budget: { requests: 2 } })]);
  assert.deepEqual([first.countRequest(['A']), first.countBytes(['A'], 10)], [true, true]);
  const second = secretSet([secret({ budget: { requests: 2 }, value: 'another-value' })], first.uses());
  assert.deepEqual([second.countRequest(['A']), second.countRequest(['A'])], [true, false]);
  assert.deepEqual(second.uses(), { A: { requests: 2, bytes: 10 } });
});
