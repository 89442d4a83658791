import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  nameSchema,
  NovaError,
  parse,
  templateSchema,
  type ArchitectureName,
  type Template,
} from '@novasandbox/protocol';
import { guestArchitecture } from '../architecture.ts';
import { broughtAlong, repositoryRoot, type Layout } from '../layout.ts';
import type { LoadedTemplate } from '../ports/image-source.ts';
import { rootImageFiles } from './manifest.ts';
import { imageRecord } from './oci/record.ts';
import { yamlTemplate, yamlTemplateNames, type DeclaredTemplate } from './yaml-template.ts';

/** The file that makes a folder of that name a template: template.json, or a file that is named as the folder. */
const templateFiles = (name: string): string[] => ['template.json', `${name}.json`];

/**
 * Finds and reads a template, for guests of the host's own processor unless another is named. The template directories
 * are searched in their order, and the first folder of that name is taken.
 * @throws NovaError `invalid_argument` for an invalid name and for a damaged template.json, `unknown_template` where
 * there is none, `feature_unsupported` for guests that cannot run here
 */
export async function loadTemplate(
  layout: Layout,
  id: string,
  architecture?: ArchitectureName,
): Promise<LoadedTemplate> {
  const guest = guestArchitecture(architecture).name;
  const name = parse(nameSchema, id, 'template');
  for (const parent of layout.templateDirectories) {
    const declared = (await templateIn(join(parent, name), name)) ?? (await yamlTemplate(parent, name));
    if (declared !== null) return withImage(layout, guest, declared);
  }
  broughtAlong('The templates', join(repositoryRoot, 'templates'));
  throw new NovaError('unknown_template', `There is no template "${name}".`, { details: { templateId: name } });
}

/** The template of a folder; null where it is none. */
async function templateIn(directory: string, name: string): Promise<DeclaredTemplate | null> {
  for (const file of templateFiles(name)) {
    const text = await readFile(join(directory, file), 'utf8').catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    if (text === null) continue;
    const template = readTemplate(join(directory, file), name, text);
    const root = template.source.type === 'disk' ? template.source.path : join(directory, rootImageFiles.image);
    return { directory, files: { kernel: join(directory, 'vmlinux'), root }, template };
  }
  return null;
}

/** Adds what the template's image says of its guests, as far as it is known: template.json comes first. */
function withImage(layout: Layout, architecture: ArchitectureName, declared: DeclaredTemplate): LoadedTemplate {
  const { template } = declared;
  const { source, template_id: id } = template;
  const record = source.type === 'oci' ? imageRecord(layout, { id, image: source.image, architecture }) : null;
  const imageUser = record === null || record.user === '' ? '0' : record.user;
  // By its number, because an image need not name its users.
  const user = template.user ?? (template.source.type === 'oci' ? imageUser : 'root');
  if (record === null) return { ...declared, architecture, template: { ...template, user }, image: null };
  const { image: name, digest, layers, ports, labels } = record;
  const sizeBytes = layers.reduce((total, { size }) => total + size, 0);
  return {
    ...declared,
    architecture,
    template: {
      ...template,
      user,
      env: { ...record.env, ...template.env },
      workdir: template.workdir ?? record.workdir,
      start: template.start.length > 0 ? template.start : record.start,
    },
    image: { name, digest, layers: layers.length, sizeBytes, ports, labels },
  };
}

/** Names of all templates, sorted, including those that cannot be read. */
export async function templateIds(layout: Layout): Promise<string[]> {
  const ids = new Set<string>();
  for (const parent of layout.templateDirectories) {
    for (const entry of await readdir(parent).catch((): string[] => [])) {
      if (!nameSchema.safeParse(entry).success || ids.has(entry)) continue;
      const files = await readdir(join(parent, entry)).catch((): string[] => []);
      if (templateFiles(entry).some((file) => files.includes(file))) ids.add(entry);
    }
    for (const name of await yamlTemplateNames(parent)) ids.add(name);
  }
  return [...ids].toSorted();
}

function readTemplate(file: string, name: string, text: string): Template {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new NovaError('invalid_argument', `${file} is not JSON: ${String(error)}`, { cause: error });
  }
  const template = parse(templateSchema, value, file);
  if (template.template_id !== name) {
    throw new NovaError(
      'invalid_argument',
      `${file}: template_id is "${template.template_id}", but the folder is "${name}".`,
      { hint: `Give both the same name, in ${dirname(dirname(file))}.` },
    );
  }
  return template;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
