import { chmod, copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hostArchitecture, type Architecture } from '../architecture.ts';
import { repositoryRoot, type Layout } from '../layout.ts';
import { crossBuildAgent } from './cross-agent.ts';
import { flush } from '../artifacts/publish.ts';
import { cargoBuild, requireRust, rustProgram, type ProgramOptions, type RustProgram } from './rust-program.ts';

export interface AgentBinary {
  readonly digest: string;
  readonly path: string;
}

/** The folder of its sources. */
export const agentSource = join(repositoryRoot, 'guest/agent');
const binaryName = 'nova-agent';

/** The guest agent, which is built unless it has already been built from exactly these sources. */
export async function guestAgent(
  layout: Layout,
  architecture: Architecture,
  options: ProgramOptions,
  source = agentSource,
): Promise<AgentBinary> {
  const program: RustProgram = {
    title: 'guest agent',
    step: 'agent',
    source,
    folder: (digest) => layout.agent(digest),
    files: [binaryName],
  };
  const { digest, directory } = await rustProgram(
    layout,
    program,
    architecture,
    options,
    async ({ work, sources, update }) => {
      const binary = join(work, binaryName);
      if (architecture === hostArchitecture()) {
        for (const built of await cargoBuild(program, update, options.signal)) await copyFile(built, binary);
      } else {
        await requireRust(program, options.signal);
        const log = layout.agent(`buildlog${architecture.name}`);
        await rm(log, { force: true });
        await crossBuildAgent(architecture, { source, files: sources, work, log, binary }, update, options.signal);
      }
      await chmod(binary, 0o755);
      await flush(binary);
    },
  );
  return { digest, path: join(directory, binaryName) };
}
