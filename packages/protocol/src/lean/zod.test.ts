import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { test } from 'node:test';
import type { ZodType } from 'zod';
import type { Schema } from './schema.ts';

/** Modules whose URL ends in this import the lean zod, like the modules of the client. */
const mark = '?lean';
const lean = new URL('zod.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) => {
    if (context.parentURL?.endsWith(mark) !== true) return next(specifier, context);
    if (specifier === 'zod') return next(lean, context);
    const found = next(specifier, context);
    return found.url.startsWith('file:') ? { ...found, url: `${found.url.replace(mark, '')}${mark}` } : found;
  },
});

interface Pair {
  readonly name: string;
  readonly real: ZodType;
  readonly lean: Schema;
}

const isReal = (value: unknown): value is ZodType => typeof value === 'object' && value !== null && '_zod' in value;

/** Collects all schemas that the contract exports, and those of its routes. */
async function pairs(): Promise<Pair[]> {
  const found: Pair[] = [];
  const collect = (name: string, one: unknown, other: unknown): void => {
    if (isReal(one)) found.push({ name, real: one, lean: other as Schema });
    else if (typeof one === 'object' && one !== null && typeof other === 'object' && other !== null)
      for (const [key, value] of Object.entries(one)) collect(`${name}.${key}`, value, other[key as never]);
  };
  for (const file of ['../index.ts', '../api/index.ts']) {
    const real = (await import(file)) as Record<string, unknown>;
    const other = (await import(`${file}${mark}`)) as Record<string, unknown>;
    for (const name of Object.keys(real)) collect(name, real[name], other[name]);
  }
  return found;
}

interface Definition {
  readonly type: string;
  readonly innerType?: ZodType;
  readonly shape?: Readonly<Record<string, ZodType>>;
  readonly element?: ZodType;
  readonly options?: readonly ZodType[];
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
  readonly keyType?: ZodType;
  readonly valueType?: ZodType;
  readonly in?: ZodType;
}

const texts = ['a', 'abc', '/a', '0644', 'true', 'SIGTERM', 'YQ==', '2026-01-02T03:04:05.678Z', 'a b', '', 'x='];
const numbers = [0, 1, 20, 100, 4096, 70_000, 2 ** 31, -1, 1.5, Number.MAX_SAFE_INTEGER + 2];
const odd: readonly unknown[] = [
  undefined,
  null,
  Number.NaN,
  Infinity,
  true,
  [],
  {},
  { a: 1 },
  ['a', 1],
  'x'.repeat(5000),
];

/** Values that a schema accepts, or nearly accepts. */
function samples(schema: ZodType): unknown[] {
  const definition = schema._zod.def as unknown as Definition;
  const { innerType, shape, element, options, entries, values, keyType, valueType } = definition;
  if (innerType !== undefined) return [undefined, null, ...samples(innerType)];
  if (definition.in !== undefined) return samples(definition.in);
  if (entries !== undefined) return [...Object.values(entries), 'none of them'];
  if (values !== undefined) return [...values, 'another'];
  if (options !== undefined) return options.flatMap((option) => samples(option).slice(0, 12));
  if (element !== undefined) return [[], ...samples(element).map((each) => [each]), samples(element)];
  if (keyType !== undefined && valueType !== undefined)
    return [{}, ...samples(keyType).map((key) => ({ [String(key)]: samples(valueType)[0] })), { a: 'b', 'x=': 1 }];
  if (definition.type === 'boolean') return [true, false];
  if (shape === undefined) return definition.type === 'string' ? texts : numbers;
  return objects(shape);
}

/** Objects: a valid one as far as that is easy to build, and one for each way in which a field can be wrong. */
function objects(shape: Readonly<Record<string, ZodType>>): unknown[] {
  const right: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(shape)) {
    const value = samples(field).find((each) => each !== undefined && field.safeParse(each).success);
    if (value !== undefined) right[name] = value;
  }
  const changed = Object.entries(shape).flatMap(([name, field]) => {
    const { [name]: _, ...without } = right;
    return [without, ...[...samples(field), ...odd].map((value) => ({ ...right, [name]: value }))];
  });
  return [right, {}, { ...right, unknown: 1 }, { ...right, unknown: 1, another: 2 }, ...changed];
}

/**
 * The part of a result that a caller sees: only the first problem of each field, as zod continues to measure a list
 * that was given in place of a text.
 */
function told(schema: ZodType | Schema, value: unknown): unknown {
  const result = schema.safeParse(value) as {
    readonly success: boolean;
    readonly data?: unknown;
    readonly error?: { readonly issues: readonly { code: string; message: string; path: unknown; issues?: unknown }[] };
  };
  if (result.success) return { data: result.data };
  const paths = result.error?.issues.map(({ path }) => JSON.stringify(path)) ?? [];
  const first = result.error?.issues.filter((_, index) => paths.indexOf(paths[index] ?? '') === index);
  return first?.map(({ code, message, path, issues }) => ({
    code,
    message,
    path,
    ...(code === 'invalid_key' ? { first: (issues as readonly { message: string }[])[0]?.message } : {}),
  }));
}

test('every schema of the contract says the same with the lean zod as with zod', async () => {
  let compared = 0;
  const found = await pairs();
  assert.ok(found.length > 100);
  for (const { name, real, lean: other } of found) {
    for (const value of [...odd, ...samples(real)]) {
      assert.deepEqual(told(other, value), told(real, value), `${name} of ${JSON.stringify(value)?.slice(0, 300)}`);
      compared += 1;
    }
  }
  assert.ok(compared > 10_000, String(compared));
});
