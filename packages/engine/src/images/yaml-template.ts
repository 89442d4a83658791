import { existsSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { limits, nameSchema, parse, templateSchema, NovaError } from '@novasandbox/protocol';
import type { LoadedTemplate } from '../ports/image-source.ts';

/** A template as its file has it. */
export interface DeclaredTemplate extends Pick<LoadedTemplate, 'directory' | 'files'> {
  readonly template: z.output<typeof templateSchema>;
}

/** A template as MicroVM Sandbox describes it. */
const entrySchema = z.strictObject({
  description: z.string().max(2000).optional(),
  os_type: z.literal('linux').optional(),
  vcpus: z.int().min(1).max(limits.maxVcpus).optional(),
  memory_mb: z.int().min(limits.minMemoryMb).max(limits.maxMemoryMb).optional(),
  kernel: z.string().min(1).max(4096),
  rootfs: z.string().min(1).max(4096),
  /** Not used: the machine decides what the command line of its kernel is. */
  boot_args: z.string().optional(),
  /** Not used: the agent comes with the machine. */
  guest_agent: z.looseObject({}).optional(),
});

const largestFile = 1 << 20;
const isYaml = /\.ya?ml$/;

/**
 * Finds a template in the YAML files of a folder, each of which has templates by their names.
 * @throws NovaError `invalid_argument` for a damaged file that names it
 */
export async function yamlTemplate(folder: string, name: string): Promise<DeclaredTemplate | null> {
  for (const file of await yamlFiles(folder)) {
    const entry = (await templatesOf(file))[name];
    if (entry === undefined) continue;
    const { kernel, rootfs, description, vcpus, memory_mb } = parse(entrySchema, entry, `${file}: ${name}`);
    const template = { name, template_id: name, description, vcpus, memory_mb, source: { type: 'files' } };
    return {
      directory: folder,
      files: { kernel: pathIn(folder, kernel), root: pathIn(folder, rootfs) },
      template: parse(templateSchema, template, `${file}: ${name}`),
    };
  }
  return null;
}

/** The names of the templates in the YAML files of a folder. A file that cannot be read has none. */
export async function yamlTemplateNames(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const file of await yamlFiles(folder)) {
    const found = Object.keys(await templatesOf(file).catch(() => ({})));
    names.push(...found.filter((name) => nameSchema.safeParse(name).success));
  }
  return names;
}

/** Paths are relative to the folder of the file or, as in `config/vm-templates/`, to the project two folders above. */
function pathIn(folder: string, path: string): string {
  const places = [folder, join(folder, '..'), join(folder, '..', '..')].map((place) => resolve(place, path));
  return places.find((place) => existsSync(place)) ?? resolve(folder, path);
}

async function yamlFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names
    .filter((name) => isYaml.test(name))
    .toSorted()
    .map((name) => join(folder, name));
}

const fileSchema = z.record(z.string(), z.unknown());

async function templatesOf(path: string): Promise<Record<string, unknown>> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  if (size > largestFile) throw new NovaError('invalid_argument', `${path} is larger than ${largestFile} bytes.`);
  // Loaded only where there is such a file: it would delay every command.
  const { parseDocument } = await import('yaml');
  const document = parseDocument(await file.readFile('utf8'));
  const [error] = document.errors;
  if (error !== undefined) throw new NovaError('invalid_argument', `${path} is not YAML: ${error.message}`);
  return parse(fileSchema, document.toJS({ maxAliasCount: 100 }) as unknown, path);
}
