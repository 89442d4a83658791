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
import { imageRecord } from './oci/record.ts';

/** The file that makes a folder a template. */
const templateFile = 'template.json';

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
    const directory = join(parent, name);
    const text = await readFile(join(directory, templateFile), 'utf8').catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    if (text !== null) return withImage(layout, directory, guest, readTemplate(directory, name, text));
  }
  broughtAlong('The templates', join(repositoryRoot, 'templates'));
  throw new NovaError('unknown_template', `There is no template "${name}".`, { details: { templateId: name } });
}

/** Adds what the template's image says of its guests, as far as it is known: template.json comes first. */
function withImage(
  layout: Layout,
  directory: string,
  architecture: ArchitectureName,
  template: Template,
): LoadedTemplate {
  const record = template.source.type === 'oci' ? imageRecord(layout, template.source.image, architecture) : null;
  // By its number, because an image need not name its users.
  const user = template.user ?? (record?.user || (template.source.type === 'oci' ? '0' : 'root'));
  if (record === null) return { directory, architecture, template: { ...template, user }, image: null };
  const { image: name, digest, layers, ports, labels } = record;
  const sizeBytes = layers.reduce((total, { size }) => total + size, 0);
  return {
    directory,
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
      if (files.includes(templateFile)) ids.add(entry);
    }
  }
  return [...ids].toSorted();
}

function readTemplate(directory: string, name: string, text: string): Template {
  const file = join(directory, templateFile);
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
      { hint: `Give both the same name, in ${dirname(directory)}.` },
    );
  }
  return template;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
