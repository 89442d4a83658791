import { NovaError } from '@novasandbox/protocol';
import * as z from 'zod';
import { sandboxField, textField, userField } from '../fields.ts';
import type { ToolHost } from '../tool-host.ts';
import type { Tool } from '../tool.ts';

const pathField = z.string().min(1).max(4096).describe("Path in the sandbox; relative paths begin at the user's home.");
const encodingField = z.enum(['text', 'base64']);

const readInput = z.object({
  sandbox: sandboxField,
  path: pathField,
  offset: z.int().min(0).default(0).describe('First byte to read.'),
  max_bytes: z
    .int()
    .min(1)
    .max(1 << 20)
    .default(50_000),
  user: userField,
});
const readOutput = z.object({
  content: z.string(),
  encoding: encodingField.describe('base64 where the bytes are no text.'),
  size: z.number().describe('Size of the whole file, bytes.'),
  next_offset: z.number().nullable().describe('Pass it as offset to read on; null at the end.'),
});

export const readFile = ({ engine }: ToolHost): Tool<typeof readInput, typeof readOutput> => ({
  name: 'read_file',
  title: 'Read a file',
  description: 'Reads a file of a sandbox, or a part of it.',
  annotations: { readOnlyHint: true, openWorldHint: false },
  input: readInput,
  output: readOutput,
  async run({ sandbox, path, offset, max_bytes, user }, { signal }) {
    const range = { offset, length: max_bytes, user };
    await using reader = await engine.files.read(sandbox, path, range, { signal });
    const parts: Uint8Array[] = [];
    for await (const bytes of reader.bytes) parts.push(bytes);
    const bytes = Buffer.concat(parts);
    const { size } = reader.entry;
    const text = asText(bytes, offset + bytes.length < size);
    const end = offset + (text?.bytes ?? bytes.length);
    const data = {
      content: text?.content ?? bytes.toString('base64'),
      encoding: text === null ? ('base64' as const) : ('text' as const),
      size,
      next_offset: end < size && bytes.length > 0 ? end : null,
    };
    const more = data.next_offset === null ? '' : `\n[${size} bytes in all; read on from offset ${data.next_offset}]`;
    return {
      data,
      text: text === null ? `base64, ${bytes.length} bytes:\n${data.content}${more}` : data.content + more,
    };
  },
});

/** The bytes as text; null where they are none. A character that goes on behind a part is left to the next part. */
function asText(bytes: Buffer, isPart: boolean): { readonly content: string; readonly bytes: number } | null {
  const lengths = isPart
    ? [0, 1, 2, 3].map((cut) => bytes.length - cut).filter((length) => length > 0)
    : [bytes.length];
  for (const length of lengths) {
    try {
      const content = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length));
      return content.includes('\0') ? null : { content, bytes: length };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  return null;
}

const writeInput = z.object({
  sandbox: sandboxField,
  path: pathField,
  content: textField,
  encoding: encodingField.default('text').describe('base64 for bytes that are no text.'),
  append: z.boolean().default(false).describe('Adds to the file instead of replacing it.'),
  mode: z
    .string()
    .regex(/^[0-7]{3,4}$/)
    .optional()
    .describe('Permissions, such as 755; default: those of the file, or 644.'),
  user: userField,
});
const writeOutput = z.object({ path: z.string(), size: z.number() });

export const writeFile = ({ engine }: ToolHost): Tool<typeof writeInput, typeof writeOutput> => ({
  name: 'write_file',
  title: 'Write a file',
  description: 'Writes a file of a sandbox, and makes its folder where it is missing.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  input: writeInput,
  output: writeOutput,
  async run({ sandbox, path, content, encoding, append, mode, user }, { signal }) {
    const bytes = encoding === 'text' ? Buffer.from(content) : fromBase64(content);
    const folder = path.slice(0, path.lastIndexOf('/'));
    if (folder !== '') await engine.files.makeDirectory(sandbox, folder, { user }, { signal });
    const how = { user, append, ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }) };
    const entry = await engine.files.write(sandbox, path, [bytes], how, { signal });
    return { data: { path: entry.path, size: entry.size } };
  },
});

function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replaceAll('=', '') !== text.replaceAll(/[\s=]/g, ''))
    throw new NovaError('invalid_argument', 'content is no base64.', { hint: 'Pass encoding "text" for text.' });
  return bytes;
}

/** Hosts cut longer results. */
const mostEntries = 500;

const listInput = z.object({
  sandbox: sandboxField,
  path: pathField.default('.'),
  depth: z.int().min(1).max(10).default(1).describe('Levels of folders to list.'),
  user: userField,
});
const listOutput = z.object({
  entries: z.array(z.object({ path: z.string(), type: z.string(), size: z.number() })),
  omitted: z.number().describe('Entries that are left out; list a folder further down.'),
});

export const listFiles = ({ engine }: ToolHost): Tool<typeof listInput, typeof listOutput> => ({
  name: 'list_files',
  title: 'List files',
  description: 'Lists a folder of a sandbox, with types and sizes.',
  annotations: { readOnlyHint: true, openWorldHint: false },
  input: listInput,
  output: listOutput,
  async run({ sandbox, path, depth, user }, { signal }) {
    const all = await engine.files.list(sandbox, path, { depth, user }, { signal });
    const entries = all
      .slice(0, mostEntries)
      .map((entry) => ({ path: entry.path, type: entry.type, size: entry.size }));
    const lines = entries.map(
      (entry) => `${entry.type === 'directory' ? `${entry.path}/` : entry.path}\t${entry.size}`,
    );
    const omitted = all.length - entries.length;
    const more = omitted === 0 ? [] : [`[${omitted} more]`];
    return { data: { entries, omitted }, text: [...lines, ...more].join('\n') };
  },
});
