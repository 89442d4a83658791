import type * as z from 'zod';
import { rateLimitsOf, wireRateLimits } from './rate-limits.ts';
import { volumesOf, wireVolumes } from './volume-mounts.ts';
import type { Field } from './field.ts';
import { fields } from './fields.ts';
import { configShape, type FieldName, type SandboxConfig } from './schema.ts';
import { values } from './values.ts';

type Fields = typeof fields;
type Named<N extends FieldName> = Fields[N]['rest'] extends string ? Fields[N]['rest'] : never;
type WireOf<F> = F extends Field<z.ZodType, string, infer W> ? W : never;
type WireShape = { [N in FieldName as Named<N>]: WireOf<Fields[N]> };

type Bare<S> = S extends z.ZodDefault<infer T> | z.ZodOptional<infer T> ? T : S;
type Told<S, W> = S extends z.ZodDefault ? Bare<W> : z.ZodNullable<Bare<W> & z.ZodType>;
type ToldShape = { [N in FieldName as Named<N>]: Told<ReturnType<Fields[N]['schema']>, WireOf<Fields[N]>> };

const codecs = {
  seconds: {
    to: (ms: unknown) => Number(ms) / 1000,
    from: (seconds: unknown) => Math.round(Number(seconds) * 1000),
  },
  rates: {
    to: (limits: unknown) => wireRateLimits(limits as SandboxConfig['rateLimits']),
    from: (limits: unknown) => rateLimitsOf(limits as z.output<typeof values.wireRateLimits>),
  },
  volumes: {
    to: (mounts: unknown) => wireVolumes(mounts as SandboxConfig['volumes']),
    from: (mounts: unknown) => volumesOf(mounts as z.output<typeof values.wireVolumes>),
  },
} as const;
const same = { to: (value: unknown) => value, from: (value: unknown) => value };

/** The fields that clients of a daemon may set. */
const wired = Object.entries<Field>(fields).flatMap(([name, { rest, about, wire, schema }]) =>
  rest === null
    ? []
    : [
        {
          name: name as FieldName,
          rest,
          about,
          schema: (wire?.schema ?? schema)(values),
          ...(wire === undefined ? same : codecs[wire.codec]),
        },
      ],
);

/** The schema of each field on the wire: in snake case, and with times in seconds. */
export const wireShape = Object.fromEntries(
  wired.map(({ rest, about, schema }) => [rest, schema.describe(about)]),
) as unknown as WireShape;

/** The same for responses of the daemon: each field is present, and is null if it was left to the template. */
export const toldShape = Object.fromEntries(
  wired.map(({ name, rest, schema }) => {
    const bare = (schema as z.ZodOptional).unwrap() as z.ZodType;
    const { data: preset } = configShape[name].safeParse(undefined);
    return [rest, preset === undefined ? bare.nullable() : bare];
  }),
) as unknown as ToldShape;

/** Converts a config to its form on the wire. Missing fields are left out. */
export function toWire(config: Readonly<Partial<Record<FieldName, unknown>>>): Record<string, unknown> {
  const given = wired.filter(({ name }) => config[name] !== undefined);
  return Object.fromEntries(given.map(({ name, rest, to }) => [rest, to(config[name])]));
}

/** Converts a config from its form on the wire. Null counts as missing. */
export function fromWire(wire: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given = wired.filter(({ rest }) => (wire[rest] ?? null) !== null);
  return Object.fromEntries(given.map(({ name, rest, from }) => [name, from(wire[rest])]));
}
