import { z } from 'zod';
import { permissionSchema, roleSchema } from '@novasandbox/protocol/api';

/*
 * Rows as they are stored. A field that an older version did not store is filled in by a step of the layout, never by a
 * default: a default could make a key without an expiry, or a user without a role, worth more than before.
 */

export const keyRowSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** SHA-256 of the key's hexadecimal part. */
  hash: z.string(),
  role: roleSchema,
  /** The user who owns the key; null when no user does. */
  username: z.string().nullable(),
  team: z.string().nullable(),
  scopes: z.array(permissionSchema).readonly(),
  createdAtMs: z.number(),
  expiresAtMs: z.number().nullable(),
  lastUsedAtMs: z.number().nullable(),
  revoked: z.boolean(),
});
export type KeyRow = Readonly<z.infer<typeof keyRowSchema>>;

export const userRowSchema = z.object({
  username: z.string(),
  role: roleSchema,
  team: z.string(),
  createdAtMs: z.number(),
  /** scrypt, with its salt and costs (auth/passwords.ts). */
  password: z.string(),
});
export type UserRow = Readonly<z.infer<typeof userRowSchema>>;
