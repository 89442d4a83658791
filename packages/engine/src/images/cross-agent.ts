import { cp, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { hostArchitecture, type Architecture } from '../architecture.ts';
import { bootstrap, openForHooks, script } from './bootstrap.ts';
import { CommandFailure, runCommand } from '../programs/command.ts';
import { defaultSuite } from './debian-sources.ts';
import { readElf } from './elf.ts';
import type { StepUpdate } from '../artifacts/step.ts';

export interface CrossBuild {
  readonly source: string;
  /** The files of the crate, below `source`. */
  readonly files: readonly string[];
  /** A folder for intermediate files. */
  readonly work: string;
  readonly log: string;
  /** The binary to write. */
  readonly binary: string;
}

/**
 * Builds the agent for a processor other than the host's, with Debian's Rust and cross linker. These are unpacked into
 * a tree that is removed afterwards: nothing is installed on the host, and the host's own Rust is not used.
 */
export async function crossBuildAgent(
  { name, cross, elfMachine }: Architecture,
  { source, files, work, log, binary }: CrossBuild,
  update: StepUpdate,
  signal?: AbortSignal,
): Promise<void> {
  if (cross === null)
    throw new NovaError(
      'feature_unsupported',
      `The guest agent for ${name} can only be built on a host of that processor.`,
    );
  const crate = join(work, 'crate');
  const archive = join(work, 'crate.tar');
  try {
    await mkdir(crate, { mode: 0o700 });
    for (const file of files) {
      const copy = join(crate, relative(source, file));
      await mkdir(dirname(copy), { recursive: true });
      await cp(file, copy);
    }
    update('fetching crates', 0.02);
    await runCommand('cargo', ['vendor', '--locked', '--quiet', join(crate, 'vendor')], { cwd: source, signal, log });
    await runCommand('tar', ['-c', '-f', archive, '-C', crate, '.'], { signal });
    // Root of a user namespace could open neither file by its name.
    await using output = await openForHooks(binary);
    await using input = await open(archive, 'r');
    const hook = `target='${cross.rustTarget}' linker='${cross.linker}'\n${await script('cross-agent.sh')}`;
    await bootstrap(
      {
        suite: defaultSuite,
        variant: 'extract',
        architectures: [hostArchitecture().name, name],
        packages: ['cargo-web', 'rustc-web', `libstd-rust-web-dev:${name}`, ...cross.packages],
        hooks: [`--extract-hook=${hook}`],
        descriptors: [output.fd, input.fd],
        work,
        log,
        onLine: (line) => {
          const phase = phases.find(({ begins }) => begins.test(line));
          if (phase !== undefined) update(phase.label, phase.from);
        },
      },
      signal,
    );
    if (readElf(await readFile(binary))?.machine !== elfMachine) {
      throw new NovaError('set_up_failed', `The built file is not a program for ${name}. Log: ${log}`);
    }
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    throw new NovaError('set_up_failed', `The guest agent for ${name} could not be built: ${error.tail}. Log: ${log}`, {
      cause: error,
    });
  } finally {
    await rm(crate, { recursive: true, force: true });
    await rm(archive, { force: true });
  }
}

const phases = [
  { begins: /^I: running apt-get update/, from: 0.05, label: 'reading package lists' },
  { begins: /^I: downloading packages/, from: 0.1, label: 'downloading compilers' },
  { begins: /^I: extracting archives/, from: 0.25, label: 'unpacking compilers' },
  { begins: /^nova: compiling/, from: 0.5, label: 'compiling' },
] as const;
