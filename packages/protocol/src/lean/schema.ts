import { fine, wrong, type Issue, type Result } from './result.ts';

type Check = (value: unknown) => Result;

/** How a value is measured, and what a limit of its size is called. */
interface Measure {
  readonly of: (value: never) => number;
  readonly told: (limit: string) => string;
  /** Before anything else is looked at. */
  readonly isFirst: boolean;
}

interface Traits {
  readonly measure?: Measure;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly isStrict?: boolean;
  readonly options?: readonly string[];
  /** The schema inside, of an optional one and the like. */
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

  safeParse(value: unknown) {
    const { value: data, issues } = this.run(value);
    return issues.length === 0 ? { success: true, data } : { success: false, error: new ParseError(issues) };
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

  // Descriptions are for documents alone.
  meta(): Schema {
    return this;
  }

  describe(): Schema {
    return this;
  }

  /** Another check of the same value, unless an earlier one has found that it is of another kind. */
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
        : wrong(value, code, `${what}: expected ${measure.told(limit)}`, true);
    if (!measure.isFirst) return this.#and(check);
    // The items of a list that is too long are not checked.
    return new Schema((value) => {
      const sized = Array.isArray(value) ? check(value) : fine(value);
      return sized.issues.length > 0 ? sized : this.run(value);
    }, this.traits);
  }
}

/** As zod's: who catches it reads `issues`. */
export class ParseError extends Error {
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[]) {
    super(issues.map(({ message }) => message).join('; '));
    this.issues = issues;
  }
}
