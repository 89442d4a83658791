import { join } from 'node:path';
import { repositoryRoot, type Layout } from '../layout.ts';
import { hostProgram, type ProgramOptions, type RustProgram } from './rust-program.ts';

/** The folder of its sources. */
export const listenerSource = join(repositoryRoot, 'host/listen');
const binary = 'nova-listen';

/**
 * The program that opens listeners in network slots of this host, which is built unless it has already been built from
 * exactly these sources.
 */
export async function hostListener(layout: Layout, options: ProgramOptions): Promise<{ readonly program: string }> {
  const program: RustProgram = {
    title: 'program that opens listeners in network slots',
    step: 'listen',
    source: listenerSource,
    folder: (digest) => layout.listener(digest),
    files: [binary],
  };
  return { program: join(await hostProgram(layout, program, options), binary) };
}
