import { stat } from 'node:fs/promises';
import {
  toNovaError,
  type ArchitectureName,
  type NovaError,
  type Template,
  type TemplateInfo,
} from '@novasandbox/protocol';
import { guestArchitectures } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import type { LoadedTemplate } from '../ports/image-source.ts';
import { loadTemplate, templateIds } from '../images/load-template.ts';
import { goldenSnapshotsOf } from '../golden/of-template.ts';

type Context = Pick<EngineContext, 'layout' | 'images'>;

/** Describes a template and which of its parts are built. */
export async function inspectTemplate(context: Context, id: string): Promise<TemplateInfo> {
  return describe(context, await loadTemplate(context.layout, id));
}

/**
 * All templates by name. A template that cannot be read is listed with its problem, so that it does not hide the
 * others.
 */
export async function listTemplates(context: Context): Promise<TemplateInfo[]> {
  const ids = await templateIds(context.layout);
  return Promise.all(
    ids.map((id) => inspectTemplate(context, id).catch((error: unknown) => damaged(id, toNovaError(error)))),
  );
}

async function describe(context: Context, loaded: LoadedTemplate): Promise<TemplateInfo> {
  const { template, directory, image: oci } = loaded;
  const image = await context.images.builtRootImage(loaded);
  const architectures: ArchitectureName[] = [];
  for (const { name } of guestArchitectures()) {
    const there = await context.images.builtRootImage({ ...loaded, architecture: name });
    if (there !== null) architectures.push(name);
  }
  const onDisk = image === null ? null : await stat(image.path).catch(() => null);
  return {
    id: template.template_id,
    name: template.name,
    description: template.description ?? '',
    source: sourceText(template.source),
    directory,
    memoryMb: template.memory_mb,
    minMemoryMb: template.min_memory_mb,
    vcpus: template.vcpus,
    diskSizeMb: Math.round(template.disk_size_gb * 1024),
    user: template.user,
    packages: template.packages,
    workdir: template.workdir ?? null,
    start: template.start,
    image: oci,
    built: image !== null,
    architectures,
    sizeBytes: onDisk === null ? null : onDisk.blocks * 512,
    snapshots: (await goldenSnapshotsOf(context.layout, template.template_id)).length,
    digest: image?.digest ?? null,
    problem: null,
  };
}

function damaged(id: string, error: NovaError): TemplateInfo {
  return {
    id,
    name: id,
    description: '',
    source: 'unknown',
    directory: '',
    memoryMb: 0,
    minMemoryMb: 0,
    vcpus: 0,
    diskSizeMb: 0,
    user: 'root',
    packages: [],
    workdir: null,
    start: [],
    image: null,
    built: false,
    architectures: [],
    sizeBytes: null,
    snapshots: 0,
    digest: null,
    problem: error.message,
  };
}

function sourceText(source: Template['source']): string {
  switch (source.type) {
    case 'debian':
      return `debian ${source.suite}`;
    case 'oci':
      return `oci ${source.image}`;
    case 'disk':
      return `disk ${source.path}`;
    case 'files':
      return 'files';
  }
}
