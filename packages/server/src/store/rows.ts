import { z } from 'zod';
import { permissionSchema, roleSchema } from '@novasandbox/protocol/api';

/*
 * Rows as they are stored. What an older version did not store is given by a step of the layout, never by a default: a key without an end or a user
 * without a role would be worth more than it was.
 */

export const keyRowSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** SHA-256 of the key's hexadecimal part. */
  hash: z.string(),
  role: roleSchema,
  /** The user whose key it is; null: nobody's. */
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
