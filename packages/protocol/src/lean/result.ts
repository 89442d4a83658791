/** A problem with a value, in zod's form. */
export interface Issue {
  readonly code: string;
  readonly message: string;
  readonly path: readonly (string | number)[];
  /** Whether later checks still run. */
  readonly goOn: boolean;
  /** Problems with the key, if a key of a record is invalid. */
  readonly issues?: readonly Issue[];
  /** Unknown keys of an object, and the object's schema. */
  readonly keys?: readonly string[];
  readonly inst?: { readonly shape: object };
}

export interface Result {
  readonly value: unknown;
  readonly issues: readonly Issue[];
}

export const fine = (value: unknown): Result => ({ value, issues: [] });

export const wrong = (value: unknown, code: string, message: string, goOn = false): Result => ({
  value,
  issues: [{ code, message, path: [], goOn }],
});

export const expected = (wanted: string, value: unknown): Result =>
  wrong(value, 'invalid_type', `Invalid input: expected ${wanted}, received ${kindOf(value)}`);

export const below = (key: string | number, issues: readonly Issue[]): Issue[] =>
  issues.map((issue) => ({ ...issue, path: [key, ...issue.path] }));

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function kindOf(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
