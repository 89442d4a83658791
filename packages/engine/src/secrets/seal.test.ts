import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { placeholderFor } from './placeholder.ts';
import { createSeals } from './seal.ts';

const scratch = mkdtempSync(join(tmpdir(), 'nova-seals-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

test('what is sealed is opened with the same key and for the same purpose alone', () => {
  const file = join(scratch, 'key');
  const seals = createSeals(file, undefined);
  const sealed = seals.seal('the value', 'secret a');
  assert.doesNotMatch(Buffer.from(sealed, 'base64').toString('latin1'), /value/);
  assert.notEqual(seals.seal('the value', 'secret a'), sealed);
  assert.equal(createSeals(file, undefined).open(sealed, 'secret a'), 'the value');
  assert.throws(() => seals.open(sealed, 'secret b'), { code: 'storage_failed' });
  const changed = Buffer.from(sealed, 'base64');
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  assert.throws(() => seals.open(changed.toString('base64'), 'secret a'), { code: 'storage_failed' });
  assert.throws(() => createSeals(file, '0'.repeat(64)).open(sealed, 'secret a'), { code: 'storage_failed' });
  assert.deepEqual(readdirSync(scratch), ['key']);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a key that is none is refused, and says nothing of what it is', () => {
  const file = join(scratch, 'broken');
  writeFileSync(file, 'not a key');
  assert.throws(() => createSeals(file, undefined).seal('a', 'b'), {
    code: 'storage_failed',
    message: /64 hexadecimal/,
  });
  assert.throws(
    () => createSeals(file, 'short-key').seal('a', 'b'),
    (error: Error) => !error.message.includes('short-key'),
  );
});

test('a placeholder is as long as its value, and shows nothing but the kind of a token', () => {
  const made = placeholderFor('ghp_0123456789012345678901234567890123456');
  assert.match(made, /^ghp_[A-Za-z0-9]{37}$/);
  assert.match(placeholderFor('sk-ant-api03-0123456789012345678901234567890'), /^sk-ant-api03-[A-Za-z0-9]{31}$/);
  assert.doesNotMatch(placeholderFor('hunter-2-and-so-on-0123456789'), /hunter/);
  assert.match(placeholderFor('password'), /^[A-Za-z0-9]{24}$/);
  assert.notEqual(placeholderFor('password'), placeholderFor('password'));
});
