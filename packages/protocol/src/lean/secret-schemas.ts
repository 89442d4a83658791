import * as z from 'zod';
import type { Secret, SecretInfo, SecretInput, SecretSettings, SecretSettingsInput } from '../secrets/secret.ts';

/** The client's `#secret-schemas`: the daemon checks secrets, and what it says of them is believed. */
export const secretsSchema = z.unknown() as z.ZodType<Secret[], SecretInput[]>;
export const secretSettingsSchema = z.unknown() as z.ZodType<SecretSettings, SecretSettingsInput>;
export const secretInfoSchema = z.unknown() as z.ZodType<SecretInfo>;
