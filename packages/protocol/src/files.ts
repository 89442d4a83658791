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
  /** Extended attributes of the `user.` namespace, if they were requested and there are any. */
  xattrs: z.record(z.string(), z.string()).optional(),
});
export type Entry = z.infer<typeof entrySchema>;

/** An entry of a tree that is compared with another one. */
export const manifestEntrySchema = z.object({
  /** Relative to the directory that was listed. */
  path: z.string(),
  /** A link is a symlink, wherever it leads. */
  type: entryTypeSchema,
  /** Permission bits, with setuid, setgid and sticky. */
  mode: z.int(),
  size: z.number(),
  /** When the content changed last. */
  mtime: z.iso.datetime(),
  /** When content or attributes changed last. */
  ctime: z.iso.datetime(),
  /** Changes whenever the file, its content or its attributes change; it means nothing else. */
  version: z.string(),
  /** The path that a link stores; null for anything else. */
  link: z.string().nullable(),
  /** Hexadecimal; null where no digest was asked for, or the file cannot be read. */
  sha256: z.string().nullable(),
});
export type ManifestEntry = z.infer<typeof manifestEntrySchema>;

const changeKindSchema = z.enum(['create', 'write', 'remove', 'rename', 'chmod']);
export const changeSchema = z.object({ kind: changeKindSchema, name: z.string() });
export type Change = z.infer<typeof changeSchema>;
