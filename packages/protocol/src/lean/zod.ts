import { below, expected, fine, isRecord, wrong, type Issue } from './result.ts';
import { Schema } from './schema.ts';

/**
 * The part of zod that the contract uses, at a tenth of the size. It replaces `zod` in the client, whose users have to
 * bundle it. A test compares it with zod, schema by schema. Types are zod's own, so the compiler never sees this
 * module.
 */

const text = new Schema((value) => (typeof value === 'string' ? fine(value) : expected('string', value)), {
  measure: {
    of: (value: string) => value.length,
    told: (limit) => `string to have ${limit} characters`,
    isFirst: false,
  },
});
const numeric = new Schema(
  (value) => (typeof value === 'number' && Number.isFinite(value) ? fine(value) : expected('number', value)),
  { measure: { of: (value: number) => value, told: (limit) => `number to be ${limit}`, isFirst: false } },
);
const whole = numeric.int();
const truth = new Schema((value) => (typeof value === 'boolean' ? fine(value) : expected('boolean', value)));
const anything = new Schema(fine);

export const string = (): Schema => text;
export const number = (): Schema => numeric;
export const int = (): Schema => whole;
export const boolean = (): Schema => truth;
export const unknown = (): Schema => anything;
export const coerce = {
  number: (): Schema => new Schema((value) => numeric.run(Number(value)), numeric.traits),
};

const instant = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?Z$/;
export const iso = { datetime: (): Schema => text.regex(instant, 'Invalid ISO datetime') };
const base64Text = /^$|^(?:[0-9a-zA-Z+/]{4})*(?:[0-9a-zA-Z+/]{2}==|[0-9a-zA-Z+/]{3}=)?$/;
export const base64 = (): Schema => text.regex(base64Text, 'Invalid base64-encoded string');

const yes = ['true', '1', 'yes', 'on', 'y', 'enabled'];
const no = ['false', '0', 'no', 'off', 'n', 'disabled'];
export const stringbool = (): Schema =>
  new Schema((value) => {
    if (typeof value !== 'string') return expected('string', value);
    const word = value.toLowerCase();
    if (yes.includes(word) || no.includes(word)) return fine(yes.includes(word));
    return oneOf([...yes, ...no], value);
  });

const oneOf = (options: readonly string[], value: unknown) => {
  const named = options.map((option) => JSON.stringify(option)).join('|');
  return wrong(value, 'invalid_value', `Invalid option: expected one of ${named}`);
};

export const literal = (only: unknown): Schema =>
  new Schema(
    (value) =>
      value === only ? fine(value) : wrong(value, 'invalid_value', `Invalid input: expected ${JSON.stringify(only)}`),
    { options: [String(only)] },
  );

function enumeration(options: readonly string[]): Schema {
  const run = (value: unknown) => (options.includes(value as string) ? fine(value) : oneOf(options, value));
  return new Schema(run, { options });
}
export { enumeration as enum };

class ObjectSchema extends Schema {
  extend(more: Readonly<Record<string, Schema>>): Schema {
    return shaped({ ...this.shape, ...more }, this.traits.isStrict === true);
  }

  omit(names: Readonly<Record<string, true>>): Schema {
    return this.#only((name) => !Object.hasOwn(names, name));
  }

  pick(names: Readonly<Record<string, true>>): Schema {
    return this.#only((name) => Object.hasOwn(names, name));
  }

  #only(isKept: (name: string) => boolean): Schema {
    const kept = Object.entries(this.shape).filter(([name]) => isKept(name));
    return shaped(Object.fromEntries(kept), this.traits.isStrict === true);
  }
}

function shaped(shape: Readonly<Record<string, Schema>>, isStrict: boolean): ObjectSchema {
  return new ObjectSchema(
    (value) => {
      if (!isRecord(value)) return expected('object', value);
      const issues: Issue[] = [];
      const data: Record<string, unknown> = {};
      for (const [name, schema] of Object.entries(shape)) {
        const result = schema.run(value[name]);
        issues.push(...below(name, result.issues));
        if (result.value !== undefined || Object.hasOwn(value, name)) data[name] = result.value;
      }
      const unknownKeys = isStrict ? Object.keys(value).filter((name) => !Object.hasOwn(shape, name)) : [];
      if (unknownKeys.length > 0) {
        const named = unknownKeys.map((name) => JSON.stringify(name)).join(', ');
        const what = unknownKeys.length === 1 ? 'key' : 'keys';
        const { issues: found } = wrong(value, 'unrecognized_keys', `Unrecognized ${what}: ${named}`, true);
        issues.push(...found.map((issue) => ({ ...issue, keys: unknownKeys, inst: { shape } })));
      }
      return { value: data, issues };
    },
    { shape, isStrict },
  );
}

export const object = (shape: Readonly<Record<string, Schema>>): Schema => shaped(shape, false);
export const strictObject = (shape: Readonly<Record<string, Schema>>): Schema => shaped(shape, true);

export const array = (of: Schema): Schema =>
  new Schema(
    (value) => {
      if (!Array.isArray(value)) return expected('array', value);
      const results = value.map((each) => of.run(each));
      return {
        value: results.map((result) => result.value),
        issues: results.flatMap(({ issues }, index) => below(index, issues)),
      };
    },
    {
      measure: {
        of: (value: readonly unknown[]) => value.length,
        told: (limit) => `array to have ${limit} items`,
        isFirst: true,
      },
    },
  );

export const record = (names: Schema, of: Schema): Schema =>
  new Schema((value) => {
    if (!isRecord(value)) return expected('record', value);
    const issues: Issue[] = [];
    const data: Record<string, unknown> = {};
    for (const [name, each] of Object.entries(value)) {
      const named = names.run(name).issues;
      if (named.length > 0) {
        const issue = { code: 'invalid_key', message: 'Invalid key in record', path: [name], goOn: false };
        issues.push({ ...issue, issues: named });
        continue;
      }
      const result = of.run(each);
      issues.push(...below(name, result.issues));
      data[name] = result.value;
    }
    return { value: data, issues };
  });

export const union = (options: readonly Schema[]): Schema =>
  new Schema((value) => {
    const results = options.map((option) => option.run(value));
    const found = results.find(({ issues }) => issues.length === 0);
    // If only one option accepts this kind of value at all, its problems are reported.
    const near = results.filter(({ issues }) => issues.every(({ goOn }) => goOn));
    return (
      found ?? (near.length === 1 && near[0] !== undefined ? near[0] : wrong(value, 'invalid_union', 'Invalid input'))
    );
  });

export const discriminatedUnion = (by: string, options: readonly Schema[]): Schema =>
  new Schema((value) => {
    if (!isRecord(value)) return expected('object', value);
    const found = options.find(({ shape }) => shape[by]?.run(value[by]).issues.length === 0);
    if (found !== undefined) return found.run(value);
    const names = options.flatMap(({ shape }) => shape[by]?.options ?? []).map((name) => `'${name}'`);
    const message = `Invalid discriminator value. Expected ${names.join(' | ')}`;
    return { value, issues: below(by, wrong(value, 'invalid_union', message).issues) };
  });
