import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { NovaError } from './errors.ts';
import { parse } from './parse.ts';

const refusal = (schema: z.ZodType, value: unknown): NovaError => {
  try {
    parse(schema, value, 'body');
  } catch (error) {
    assert.ok(error instanceof NovaError);
    return error;
  }
  return assert.fail('it was taken');
};

test('a refusal names the field', () => {
  const { code, message, details } = refusal(z.strictObject({ a: z.int() }), { a: 'x' });
  assert.equal(code, 'invalid_argument');
  assert.match(message, /^body: a: /);
  assert.equal((details['issues'] as { field: string }[])[0]?.field, 'a');
});

test('a refusal stays small, however much is wrong with however long names', () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, index]));
  const long = { ['x'.repeat(100_000)]: 1, ['\u{1F600}'.repeat(50_000)]: 2 };
  for (const [schema, value] of [
    [z.strictObject({}), many],
    [z.strictObject({}), long],
    [z.record(z.string(), z.string()), many],
    [z.record(z.string(), z.string()), long],
    [z.array(z.string()), Array.from({ length: 10_000 }, (_, index) => index)],
  ] as const) {
    const error = refusal(schema, value);
    assert.ok(JSON.stringify(error.toJSON()).length < 20_000);
    assert.ok(error.message.isWellFormed());
  }
  assert.match(refusal(z.array(z.string()), Array(30).fill(1)).message, /and 10 more$/);
});
