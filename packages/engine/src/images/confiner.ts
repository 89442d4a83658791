import { join } from 'node:path';
import { repositoryRoot, type Layout } from '../layout.ts';
import type { Confiner } from '../vmm/confine.ts';
import { hostProgram, type ProgramOptions, type RustProgram } from './rust-program.ts';

/** The folder of its sources. */
export const confinerSource = join(repositoryRoot, 'host/confine');
const binary = 'nova-confine';
const guestMemory = 'libguest_memory.so';

/**
 * The program that confines VMMs on this host, which is built unless it has already been built from exactly these
 * sources.
 */
export async function hostConfiner(layout: Layout, options: ProgramOptions): Promise<Confiner> {
  const program: RustProgram = {
    title: 'program that confines VMMs',
    step: 'confine',
    source: confinerSource,
    folder: (digest) => layout.confiner(digest),
    files: [binary, guestMemory],
  };
  const directory = await hostProgram(layout, program, options);
  return { program: join(directory, binary), guestMemory: join(directory, guestMemory) };
}
