import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formsOf } from './forms.ts';
import { replacing, type Replacement } from './replace.ts';

const value = `s3cr&t/"<t>+'=ab!(x)*`;
const replacements = [...new Set(formsOf(value))].map((form): Replacement => ({
  wanted: Buffer.from(form),
  instead: Buffer.alloc(Buffer.byteLength(form), '*'),
}));

function passed(text: string, size: number): string {
  const filter = replacing(replacements);
  const bytes = Buffer.from(text);
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(filter.write(bytes.subarray(at, at + size)));
  return Buffer.concat([...parts, filter.end()]).toString();
}

const asSent: readonly [string, string][] = [
  ['as it is', value],
  ['percent-encoded', encodeURIComponent(value)],
  ['in small hexadecimal digits', encodeURIComponent(value).replaceAll(/%../g, (each) => each.toLowerCase())],
  ['in JSON', JSON.stringify(value).slice(1, -1)],
  ['in JSON with escaped slashes', JSON.stringify(value).slice(1, -1).replaceAll('/', '\\/')],
  ['in hexadecimal', Buffer.from(value).toString('hex')],
];

test('each form is replaced, however it is split, and nothing else is', () => {
  for (const [what, form] of asSent)
    for (const size of [1, 2, 3, 7, 1000]) {
      const text = `before ${form}, ${form} after`;
      const stars = '*'.repeat(form.length);
      assert.equal(passed(text, size), `before ${stars}, ${stars} after`, `${what}, ${size} at once`);
    }
  const harmless = `${value.slice(0, -1)}?${value.slice(1)} ${'s3cr&'.repeat(50)}`;
  for (const size of [1, 5, 1000]) assert.equal(passed(harmless, size), harmless);
});

test('in base64 it is replaced wherever it begins', () => {
  for (const before of ['', 'u', 'us', 'user:', 'somebody:'])
    for (const after of ['', '\n', ' and more'])
      for (const encoding of ['base64', 'base64url'] as const) {
        const sent = Buffer.from(before + value + after).toString(encoding);
        const got = passed(`x ${sent} y`, 1);
        assert.equal(got.length, sent.length + 4);
        assert.doesNotMatch(Buffer.from(got.slice(2, -2), encoding).toString('latin1'), /r&t\/"<t>\+'=ab!\(x/);
      }
});

test('what is certain is passed on at once', () => {
  const filter = replacing(replacements);
  assert.equal(filter.write(Buffer.from('data: one\n\n')).toString(), 'data: one\n\n');
  assert.equal(filter.write(Buffer.from('data: s3c')).toString(), 'data: ');
  assert.equal(filter.write(Buffer.from('ret')).toString(), 's3cret');
});
