import type * as z from 'zod';
import type { Permission } from '../permissions.ts';
import type { DriverFeatures } from '../driver-features.ts';
import type { Values } from './values.ts';

/** The reason why a field is not available to some callers. */
export interface Exempt {
  readonly because: string;
}

/**
 * One field of a sandbox's config, with everything that the interfaces (library, REST, command line, Python), their
 * documents and the engine's checks need to know about it.
 * @typeParam S the schema of the library
 * @typeParam R the name in REST; null if clients of a daemon may not set the field
 * @typeParam W the schema of REST, if it differs
 */
export interface Field<
  S extends z.ZodType = z.ZodType,
  R extends string | null = string | null,
  W extends z.ZodType = z.ZodType,
> {
  /** Description, in words that can follow a name or an option. */
  readonly about: string;
  /** More description, for the document of the library only. */
  readonly more?: string;
  /** Unit in the library. A time in ms is given in seconds in REST and Python. */
  readonly unit?: 'MiB' | 'ms';
  readonly schema: (of: Values) => S;
  /** Effective value of a missing field, if its schema has no default. */
  readonly absent?: string;
  /** Another name of the field. */
  readonly alias?: string;
  /** If set, only callers of the engine on the host itself may set the field, for this reason. */
  readonly hostAlone?: Exempt;
  readonly rest: R;
  /** Schema and conversion of REST, if they differ from the library's. */
  readonly wire?: { readonly schema: (of: Values) => W; readonly codec: 'seconds' | 'rates' | 'volumes' };
  /** The daemon's value for a field that is missing in REST, where the field then has no default of its own. */
  readonly daemonDefault?: string;
  /** Name of the argument in Python, if it differs from the name in REST. */
  readonly python?: string;
  readonly option: Option | Exempt;
  /** The permission that a caller of the daemon needs to set it, in addition to `vm:create`. */
  readonly permission?: Permission;
  /** Features that the hypervisor has to have. */
  readonly needs?: Need | readonly Need[];
}

/** Features of which the hypervisor needs at least one. */
export interface Need {
  /** The value of the field that needs them; default: any that asks for something. */
  readonly when?: string;
  readonly oneOf: readonly (keyof DriverFeatures)[];
  /** Follows "cannot" in the error if it has none. */
  readonly to: string;
}

/** An option of the command line. The word in angle brackets determines how its value is read. */
export interface Option {
  readonly flags: string;
  /** Description, if the option does the opposite of its field. */
  readonly about?: string;
  readonly note?: string;
}

/** Defines a row of the table and keeps its types as exact as they are written. */
export const field = <S extends z.ZodType, const R extends string | null, W extends z.ZodType = S>(
  row: Field<S, R, W>,
): Field<S, R, W> => row;

/** Whether a value asks for anything: `false`, null, undefined, and empty lists and objects do not. */
export function asksForSomething(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return false;
  return typeof value !== 'object' || Object.values(value).some((each) => each !== undefined);
}
