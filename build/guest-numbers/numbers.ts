import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const root = join(import.meta.dirname, '../..');

/** Numbers by name, each with a line that describes it. */
const group = z.record(z.string().regex(/^[a-z][A-Za-z0-9]*$/), z.tuple([z.int().nonnegative(), z.string().min(1)]));
export type Group = z.infer<typeof group>;

const schema = z.strictObject({
  about: z.string(),
  limits: group,
  bytes: group,
  frameKinds: group,
  channels: group,
  methods: group,
  messages: group,
  fileTypes: group,
  changeKinds: group,
  shortages: group,
  tags: z.record(z.string().regex(/^[a-z][A-Za-z]*$/), group),
});
export type Numbers = z.infer<typeof schema>;

/** Reads the numbers of the guest channel from their only source. */
export function readNumbers(): Numbers {
  return schema.parse(JSON.parse(readFileSync(join(root, 'guest/protocol.json'), 'utf8')));
}

/** The first line of generated files. */
export const generatedMark = 'Generated from guest/protocol.json by build/guest-numbers/write.ts.';
export const typescriptFile = join(root, 'packages/engine/src/agent/numbers.ts');
export const rustFile = join(root, 'guest/agent/src/numbers.rs');

/** Formats a number so that it is valid in both languages. */
export function literal(number: number): string {
  return number < 10_000 ? String(number) : number.toLocaleString('en-US').replaceAll(',', '_');
}
