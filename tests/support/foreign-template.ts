import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestHome } from './test-home.ts';

/**
 * The template of guests that run on an emulated processor of another kind: Debian's essential packages, and sudo for a
 * package that has more to set up. With the packages of the templates that are brought along, of which ca-certificates
 * alone takes minutes to be set up there, its build is the longest part of a test run.
 */
export const foreignTemplateId = 'foreign';

const template = {
  name: 'Debian 12, essential packages and sudo',
  template_id: foreignTemplateId,
  memory_mb: 512,
  vcpus: 1,
  disk_size_gb: 4,
  source: { type: 'debian', suite: 'bookworm', variant: 'essential' },
  packages: ['sudo'],
  user: 'user',
  warm: [['/bin/sh', '-c', ':']],
};

/** Puts the template into a test's state folder. */
export async function addForeignTemplate({ home }: TestHome): Promise<void> {
  const folder = join(home, 'templates', foreignTemplateId);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'template.json'), JSON.stringify(template));
}
