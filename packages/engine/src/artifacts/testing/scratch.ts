import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { templateSchema, type Template } from '@novasandbox/protocol';
import { hostArchitecture } from '../../architecture.ts';
import { layoutAt, type Layout } from '../../layout.ts';
import { prepareLayout } from '../../prepare-layout.ts';
import type { LoadedTemplate } from '../../ports/image-source.ts';

export interface Scratch extends AsyncDisposable {
  readonly folder: string;
  /** A state folder in it, prepared for use. */
  readonly layout: Layout;
  /** Puts an executable script on the PATH of this process, until disposal. */
  program(name: string, script: string): Promise<void>;
  /** A template folder in it. */
  template(template: Partial<Template> & { readonly template_id: string }): Promise<LoadedTemplate>;
}

/** A folder for one test. It is removed with all its contents when disposed. */
export async function scratchFolder(): Promise<Scratch> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-images-'));
  await chmod(folder, 0o755);
  const path = process.env['PATH'];
  const layout = { ...layoutAt(join(folder, 'home')), run: join(folder, 'run') };
  prepareLayout(layout);
  const programs = join(folder, 'bin');
  return {
    folder,
    layout,
    program: async (name, script) => {
      await mkdir(programs, { recursive: true });
      await writeFile(join(programs, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      process.env['PATH'] = `${programs}:${path ?? ''}`;
    },
    template: async (given) => {
      const directory = join(folder, 'templates', given.template_id);
      await mkdir(directory, { recursive: true });
      const template = templateSchema.parse({ name: given.template_id, ...given });
      await writeFile(join(directory, 'template.json'), JSON.stringify(template));
      return {
        template: { ...template, user: template.user ?? 'root' },
        directory,
        files: { kernel: join(directory, 'vmlinux'), root: join(directory, 'rootfs.ext4') },
        architecture: hostArchitecture().name,
        image: null,
      };
    },
    [Symbol.asyncDispose]: async () => {
      process.env['PATH'] = path;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
