import { chmod, copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hostArchitecture } from '../architecture.ts';
import { repositoryRoot, type Layout } from '../layout.ts';
import type { Confiner } from '../vmm/confine.ts';
import { flush } from './publish.ts';
import { cargoBuild, rustProgram, type ProgramOptions, type RustProgram } from './rust-program.ts';

const confinerSource = join(repositoryRoot, 'host/confine');
const binary = 'nova-confine';
const readOnlyMemory = 'libread_only_memory.so';

/** The program that shuts VMMs in on this host, built when there is none of just these sources. */
export async function hostConfiner(layout: Layout, options: ProgramOptions): Promise<Confiner> {
  const program: RustProgram = {
    title: 'program that confines VMMs',
    step: 'confine',
    source: confinerSource,
    folder: (digest) => layout.confiner(digest),
    files: [binary, readOnlyMemory],
  };
  const { directory } = await rustProgram(layout, program, hostArchitecture(), options, async ({ work, update }) => {
    for (const built of await cargoBuild(program, update, options.signal)) {
      const path = join(work, basename(built));
      await copyFile(built, path);
      await chmod(path, 0o755);
      await flush(path);
    }
  });
  return { program: join(directory, binary), readOnlyMemory: join(directory, readOnlyMemory) };
}
