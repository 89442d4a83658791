import { fine, wrong, type Issue, type Result } from './result.ts';

type Check = (value: unknown) => Result;

/** How a value is measured, and how messages name a limit of its size. */
interface Measure {
  readonly of: (value: never) => number;
  readonly told: (limit: string) => string;
  /** Whether this is checked before anything else. */
  readonly isFirst: boolean;
}

interface Traits {
  readonly measure?: Measure;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly isStrict?: boolean;
  readonly options?: readonly string[];
  /** The inner schema, for example that of an optional one. */
  readonly inner?: Schema;
}

/** Checks a value, with the methods of zod's schemas that the contract uses. */
export class Schema {
  readonly run: Check;
  readonly traits: Traits;

  constructor(run: Check, traits: Traits = {}) {
    this.run = run;
    this.traits = traits;
  }

  /** As in zod, `error` may replace the message of an issue. */
  safeParse(value: unknown, { error }: { readonly error?: (issue: Issue) => string | undefined } = {}) {
    const { value: data, issues } = this.run(value);
    if (issues.length === 0) return { success: true, data };
    const told = issues.map((issue) => ({ ...issue, message: error?.(issue) ?? issue.message }));
    return { success: false, error: new ParseError(told) };
  }

  parse(value: unknown): unknown {
    const { value: data, issues } = this.run(value);
    if (issues.length > 0) throw new ParseError(issues);
    return data;
  }

  get shape(): Readonly<Record<string, Schema>> {
    return this.traits.shape ?? {};
  }

  get options(): readonly string[] {
    return this.traits.options ?? [];
  }

  optional(): Schema {
    return new Schema((value) => (value === undefined ? fine(value) : this.run(value)), { inner: this });
  }

  nullable(): Schema {
    return new Schema((value) => (value === null ? fine(value) : this.run(value)), {
      ...this.traits,
      inner: this,
    });
  }

  default(given: unknown): Schema {
    return new Schema((value) => (value === undefined ? fine(structuredClone(given)) : this.run(value)), {
      inner: this,
    });
  }

  unwrap(): Schema {
    return this.traits.inner ?? this;
  }

  refine(holds: (value: never) => boolean, message: string): Schema {
    return this.#and((value) => (holds(value as never) ? fine(value) : wrong(value, 'custom', message, true)));
  }

  regex(pattern: RegExp, message = `Invalid string: must match pattern ${String(pattern)}`): Schema {
    return this.#and((text) =>
      pattern.test(text as string) ? fine(text) : wrong(text, 'invalid_format', message, true),
    );
  }

  startsWith(start: string): Schema {
    const message = `Invalid string: must start with ${JSON.stringify(start)}`;
    return this.#and((text) =>
      (text as string).startsWith(start) ? fine(text) : wrong(text, 'invalid_format', message, true),
    );
  }

  int(): Schema {
    return this.#and((value) => {
      if (!Number.isInteger(value)) return wrong(value, 'invalid_type', 'Invalid input: expected int, received number');
      if (Number.isSafeInteger(value)) return fine(value);
      const [code, what, limit] =
        (value as number) > 0
          ? (['too_big', 'Too big', `<=${Number.MAX_SAFE_INTEGER}`] as const)
          : (['too_small', 'Too small', `>=${Number.MIN_SAFE_INTEGER}`] as const);
      return wrong(value, code, `${what}: expected int to be ${limit}`, true);
    });
  }

  min(limit: number): Schema {
    return this.#sized('too_small', 'Too small', `>=${limit}`, (size) => size >= limit);
  }

  max(limit: number): Schema {
    return this.#sized('too_big', 'Too big', `<=${limit}`, (size) => size <= limit);
  }

  positive(): Schema {
    return this.#sized('too_small', 'Too small', '>0', (size) => size > 0);
  }

  /** Checks run first; a value with problems is not transformed. */
  transform(change: (value: never) => unknown): Schema {
    return new Schema((value) => {
      const result = this.run(value);
      return result.issues.length > 0 ? result : fine(change(result.value as never));
    });
  }

  // Descriptions are only used by documents.
  meta(): Schema {
    return this;
  }

  describe(): Schema {
    return this;
  }

  /** Adds a check of the same value. It is skipped if an earlier check found a value of another kind. */
  #and(check: Check): Schema {
    return new Schema((given) => {
      const first = this.run(given);
      if (first.issues.some(({ goOn }) => !goOn)) return first;
      return { value: first.value, issues: [...first.issues, ...check(first.value).issues] };
    }, this.traits);
  }

  #sized(code: string, what: string, limit: string, fits: (size: number) => boolean): Schema {
    const { measure } = this.traits;
    if (measure === undefined) throw new TypeError('This schema has no size.');
    const check: Check = (value) =>
      fits(measure.of(value as never))
        ? fine(value)
        : wrong(value, code, `${what}: expected ${measure.told(limit)}`, !(code === 'too_big' && Array.isArray(value)));
    if (!measure.isFirst) return this.#and(check);
    // The items of a list that is too long are not checked, nor is what the list is in.
    return new Schema((value) => {
      const sized = Array.isArray(value) ? check(value) : fine(value);
      return sized.issues.length > 0 ? sized : this.run(value);
    }, this.traits);
  }
}

/** Like zod's error: callers that catch it read `issues`. */
class ParseError extends Error {
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[]) {
    super(issues.map(({ message }) => message).join('; '));
    this.issues = issues;
  }
}
