// Copies a project into a sandbox and a result out of it.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sandbox } from 'novasandbox';

const folder = await mkdtemp(join(tmpdir(), 'novasandbox-example-'));
try {
  await writeFile(join(folder, 'numbers.txt'), '3\n1\n2\n');
  await writeFile(join(folder, 'sort.sh'), '#!/bin/sh\nmkdir -p out && sort numbers.txt > out/sorted.txt\n', {
    mode: 0o755,
  });

  await using sandbox = await Sandbox.create({ enableNetwork: false });
  await sandbox.files.uploadDir(folder, 'project');
  await sandbox.commands.run('./sort.sh', { cwd: '/home/user/project' });
  await sandbox.files.downloadDir('project/out', join(folder, 'out'));
  console.log((await readFile(join(folder, 'out', 'sorted.txt'), 'utf8')).trim().split('\n').join(' '));

  await sandbox.files.write('/tmp/notes/today.md', '# Today\n');
  for (const { name, type } of await sandbox.files.list('/tmp/notes')) console.log(`${type}: ${name}`);
  console.log(await sandbox.files.exists('/tmp/notes/tomorrow.md'));
} finally {
  await rm(folder, { recursive: true });
}
