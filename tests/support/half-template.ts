import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Puts a template into a state folder that cannot be built, because its files are missing. Returns its id. */
export async function halfTemplate(home: string): Promise<string> {
  const id = 'half';
  const folder = join(home, 'templates', id);
  await mkdir(folder, { recursive: true });
  const template = {
    name: 'A half',
    template_id: id,
    os_type: 'linux',
    description: 'A folder without its files',
    memory_mb: 256,
    vcpus: 1,
    boot_time_ms: 250,
    disk_size_gb: 1,
    kernel_version: '6.1',
    required_files: ['vmlinux', 'rootfs.ext4'],
    source: { type: 'files' },
    packages: [],
  };
  await writeFile(join(folder, 'template.json'), JSON.stringify(template));
  return id;
}
