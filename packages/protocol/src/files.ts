import * as z from 'zod';

export const entryTypeSchema = z.enum(['file', 'directory', 'symlink', 'other']);

export const entrySchema = z.object({
  name: z.string(),
  path: z.string(),
  type: entryTypeSchema,
  size: z.number(),
  /** Permission bits, with setuid, setgid and sticky. */
  mode: z.int(),
  uid: z.int(),
  gid: z.int(),
  owner: z.string(),
  group: z.string(),
  modifiedAt: z.iso.datetime(),
  symlinkTarget: z.string().nullable(),
  /** Extended attributes of the `user.` namespace, where there are any and they were asked for. */
  xattrs: z.record(z.string(), z.string()).optional(),
});
export type Entry = z.infer<typeof entrySchema>;

export const changeKindSchema = z.enum(['create', 'write', 'remove', 'rename', 'chmod']);
export const changeSchema = z.object({ kind: changeKindSchema, name: z.string() });
export type Change = z.infer<typeof changeSchema>;
