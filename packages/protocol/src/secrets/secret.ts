import * as z from 'zod';
import { hostPatternSchema, portSchema } from '../policy/rule.ts';

/** How secrets are named: as environment variables are, so that one can be the name of the variable with it. */
export const secretNameSchema = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'must be of letters, digits and _, at most 64, and not begin with a digit');

/**
 * A shorter value would be found by chance in what servers answer. Characters that a header cannot hold are not
 * replaced.
 */
const secretValueSchema = z
  .string()
  .regex(/^[\x21-\x7e]{8,4096}$/, 'must be 8 to 4096 characters of printable ASCII without spaces');

/**
 * Headers that a secret can be in neither by itself nor by a host's wish: they say where a request goes or came from.
 */
const forbiddenHeader =
  /^(?:host|cookie|referer|origin|via|forwarded|x-forwarded-.*|content-.*|transfer-encoding|connection|upgrade|te|trailer|expect|range|accept-encoding)$/i;
const headerNameSchema = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be the name of a header')
  .refine((name) => !forbiddenHeader.test(name), 'must not be a header of this name');

/** The places of a request in which the placeholder of a secret stands for its value. */
export const secretPositionsSchema = z.strictObject({
  /** Headers, in any part of their value. */
  headers: z
    .array(headerNameSchema)
    .max(16)
    .default(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'private-token']),
  /** The user or the password of Basic authentication. */
  basic: z.boolean().default(true),
  /** Parameters of the query. */
  query: z.array(z.string().min(1).max(64)).max(16).default([]),
  /** The path. */
  path: z.boolean().default(false),
  /** Fields of a body of JSON, such as `auth.token`. The body is then held until it is complete; 1 MiB at most. */
  json: z
    .array(
      z
        .string()
        .regex(/^[^.]+(?:\.[^.]+)*$/, 'must be a field such as auth.token')
        .max(256),
    )
    .max(16)
    .default([]),
});
export type SecretPositions = z.output<typeof secretPositionsSchema>;

/** What may be done with a secret at most, since it was set first. */
export const secretBudgetSchema = z.strictObject({
  /** Requests with it. Absent: no limit. */
  requests: z.int().min(1).max(1e12).optional(),
  /** Bytes of these requests and of their answers. Absent: no limit. */
  bytes: z.int().min(1).max(1e15).optional(),
});

export const secretHostSchema = z.strictObject({
  /** As in a rule; `*` alone is refused. */
  host: hostPatternSchema.regex(/[a-z0-9]/i, 'must be a name, or *. before one'),
  port: portSchema.default(443),
});

/** A secret without its name, as it is set while a sandbox exists. */
export const secretSettingsSchema = z.strictObject({
  /** The value, which the guest never gets. */
  value: secretValueSchema,
  /** The hosts that get the value, over TLS with a valid certificate. */
  hosts: z.array(secretHostSchema).min(1).max(32),
  positions: secretPositionsSchema.default(secretPositionsSchema.parse({})),
  /** A header that each request to the hosts gets, in place of what the guest has sent in it. */
  inject: z
    .strictObject({
      header: headerNameSchema,
      /** The header's value, in which `{}` stands for that of the secret. */
      format: z
        .string()
        .regex(/^[\x20-\x7e]{0,200}\{\}[\x20-\x7e]{0,200}$/, 'must hold {} for the value')
        .default('{}'),
    })
    .optional(),
  /** The environment variable with the placeholder; null: none. Absent: the name of the secret. */
  env: secretNameSchema.nullable().optional(),
  budget: secretBudgetSchema.default({}),
});
export type SecretSettings = z.output<typeof secretSettingsSchema>;
export type SecretSettingsInput = z.input<typeof secretSettingsSchema>;

/** How many secrets a sandbox can have, with those that were removed and that its guest may still know. */
export const maxSecrets = 32;

const hasOneOfEach = (secrets: readonly { readonly name: string }[]): boolean =>
  new Set(secrets.map(({ name }) => name)).size === secrets.length;

/** The secrets of a new sandbox. */
export const secretsSchema = z
  .array(secretSettingsSchema.extend({ name: secretNameSchema }))
  .max(maxSecrets)
  .refine(hasOneOfEach, 'must have each name once');
export type SecretInput = z.input<typeof secretsSchema>[number];
export type Secret = z.output<typeof secretsSchema>[number];

/** What is said about a secret: everything but its value. */
export const secretInfoSchema = z.object({
  name: z.string(),
  hosts: z.array(z.object({ host: z.string(), port: z.int() })),
  /** What the guest has in place of the value. */
  placeholder: z.string(),
  env: z.string().nullable(),
  inject: z.string().nullable().describe('The header that each request gets'),
  budget: secretBudgetSchema,
  used: z.object({ requests: z.int(), bytes: z.int() }).describe('Since it was set first'),
});
export type SecretInfo = z.infer<typeof secretInfoSchema>;
