import { chmod, copyFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { NovaError, type ProgressSink } from '@novasandbox/protocol';
import { architectures, hostArchitecture } from '../architecture.ts';
import { runCommand } from '../programs/command.ts';
import { createImageSource } from '../images/index.ts';
import { distributionKernel } from '../images/kernel.ts';
import { kernelAddress, kernelArchive } from '../images/prebuilt-kernel.ts';
import { makeFolder } from '../artifacts/make-folder.ts';
import { fileDigest } from '../artifacts/stamp.ts';
import { step } from '../artifacts/step.ts';
import type { Layout } from '../layout.ts';
import type { Part } from '../ports/image-source.ts';
import { partFolder, partManifest, type PartManifest } from './mirror-part.ts';

export interface WriteMirrorOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ProgressSink | undefined;
}

export interface WrittenPart {
  readonly kind: Part['kind'];
  readonly address: string;
  readonly directory: string;
}

/**
 * Writes the parts that other machines of this kind can fetch without building them: the guest agent, the programs that
 * confine VMMs and open listeners in network slots, the guest kernel. They are built here where they are missing. A
 * part appears atomically; existing parts stay.
 * @throws NovaError `set_up_failed`, `storage_failed`, `cancelled`
 */
export async function writeMirror(
  layout: Layout,
  directory: string,
  options: WriteMirrorOptions = {},
): Promise<WrittenPart[]> {
  const { signal } = options;
  const images = createImageSource(layout);
  const architecture = hostArchitecture();
  const kernel = await distributionKernel(layout, architecture.name, options);
  const agent = await images.agent(options);
  const confiner = await images.confiner(options);
  const listener = await images.listener(options);
  const root = resolve(directory);
  return step(options.progress, 'mirror', 'Writing the mirror', async (update) => {
    const copy =
      (...files: readonly string[]) =>
      async (folder: string): Promise<void> => {
        for (const file of files) await copyFile(file, join(folder, basename(file)));
      };
    const confinerFiles = [confiner.program, confiner.guestMemory];
    const parts: [Part, PartManifest['kernel'], (folder: string) => Promise<void>][] = [
      [{ kind: 'agent', address: agent.digest, files: [basename(agent.path)] }, null, copy(agent.path)],
      [
        // The name of its folder is the digest of its sources.
        {
          kind: 'confine',
          address: basename(dirname(confiner.program)),
          files: confinerFiles.map((file) => basename(file)),
        },
        null,
        copy(...confinerFiles),
      ],
      [
        { kind: 'listen', address: basename(dirname(listener.program)), files: [basename(listener.program)] },
        null,
        copy(listener.program),
      ],
      [
        { kind: 'kernel', address: await kernelAddress(architectures[architecture.name]), files: [kernelArchive] },
        { digest: kernel.digest, release: kernel.release },
        async (folder) => {
          const words = [
            '--zstd',
            '-cf',
            join(folder, kernelArchive),
            '-C',
            dirname(kernel.path),
            '--owner=0',
            '--group=0',
          ];
          await runCommand('tar', [...words, '--', 'vmlinux', 'modules'], { signal });
        },
      ],
    ];
    const written: WrittenPart[] = [];
    for (const [part, about, fill] of parts) {
      update(part.kind);
      written.push(await write(root, part, about, fill));
    }
    return written;
  });
}

async function write(
  root: string,
  { kind, address, files }: Part,
  kernel: PartManifest['kernel'],
  fill: (folder: string) => Promise<void>,
): Promise<WrittenPart> {
  const directory = join(root, partFolder(kind, address));
  const half = `${directory}.${process.pid}`;
  try {
    await makeFolder(half);
    await fill(half);
    const described = await Promise.all(
      files.map(async (name) => {
        const file = join(half, name);
        await chmod(file, 0o644);
        return { name, bytes: (await stat(file)).size, sha256: await fileDigest(file) };
      }),
    );
    const manifest: PartManifest = { version: 1, kind, address, files: described, kernel };
    await writeFile(join(half, partManifest), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
    await chmod(half, 0o755);
    await rm(directory, { recursive: true, force: true });
    await rename(half, directory);
  } catch (error) {
    await rm(half, { recursive: true, force: true });
    if (!(error instanceof Error) || !('code' in error) || 'hint' in error) throw error;
    throw new NovaError('storage_failed', `The mirror ${root} cannot be written: ${error.message}`, { cause: error });
  }
  return { kind, address, directory };
}
