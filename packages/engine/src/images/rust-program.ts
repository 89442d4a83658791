import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { chmod, copyFile, readFile, rm } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { hostArchitecture, type Architecture } from '../architecture.ts';
import { broughtAlong, type Layout } from '../layout.ts';
import type { FetchPrebuilt, ImageOptions, PartKind } from '../ports/image-source.ts';
import { CommandFailure, runCommand } from '../programs/command.ts';
import { installRemedy } from '../programs/debian-packages.ts';
import { withLock } from '../artifacts/lock.ts';
import { flush, publish } from '../artifacts/publish.ts';
import { fileMark, readStamp, sha256, writeStamp } from '../artifacts/stamp.ts';
import { step, type StepUpdate } from '../artifacts/step.ts';

export interface ProgramOptions extends ImageOptions {
  /** Fetches a program that was built elsewhere. It is tried before anything is built here. */
  readonly fetchPrebuilt?: FetchPrebuilt | undefined;
}

/** A program whose Rust sources NovaSandbox includes. */
export interface RustProgram {
  /** For messages, such as "guest agent". */
  readonly title: string;
  /** Name of the step that reports its progress. */
  readonly step: PartKind;
  /** The folder of its crate. */
  readonly source: string;
  /** The folder that keeps the program built from the sources with that digest. */
  readonly folder: (digest: string) => string;
  /** The files to keep. */
  readonly files: readonly string[];
}

export interface BuildSite {
  /** The folder to put the files in. */
  readonly work: string;
  /** The sources, in a fixed order. */
  readonly sources: readonly string[];
  readonly update: StepUpdate;
}

/**
 * Returns the folder of a program, which `make` builds unless it has already been built from exactly these sources.
 * Sizes and times of the sources are compared first, so that the usual call reads no source.
 */
export async function rustProgram(
  layout: Layout,
  program: RustProgram,
  architecture: Architecture,
  options: ProgramOptions,
  make: (site: BuildSite) => Promise<void>,
): Promise<{ readonly digest: string; readonly directory: string }> {
  const { title, source, folder } = program;
  const sources = sourceFiles(program);
  const isThere = (digest: string): boolean => program.files.every((file) => existsSync(join(folder(digest), file)));
  const mark = sha256([architecture.name, ...sources.map((file) => `${file} ${fileMark(file)}`)].join('\n'));
  const stamp = folder(programStamp(architecture, source));
  const known = readStamp(stamp, mark);
  if (known !== null && isThere(known)) {
    markUsed(stamp);
    return { digest: known, directory: folder(known) };
  }

  return withLock(folder('lock'), options, async () => {
    const digest = await contentDigest(architecture, source, sources);
    if (!isThere(digest)) {
      const label = `${title.slice(0, 1).toUpperCase()}${title.slice(1)}`;
      await step(options.progress, program.step, label, (update) =>
        publish(layout, program.step, async (work) => {
          const part = { kind: program.step, address: digest, files: program.files };
          const fetched = (await options.fetchPrebuilt?.(part, work, update, options.signal)) ?? null;
          if (fetched !== null) {
            await Promise.all(program.files.map((file) => chmod(join(work, file), 0o755)));
            return folder(digest);
          }
          await make({ work, sources, update });
          if ((await contentDigest(architecture, source, sources)) !== digest) {
            throw new NovaError('set_up_failed', `The sources in ${source} changed while the ${title} was built.`);
          }
          return folder(digest);
        }),
      );
    }
    await writeStamp(stamp, mark, digest);
    return { digest, directory: folder(digest) };
  });
}

/** Name of the file that records which program was built from the sources in that folder. */
export const programStamp = ({ name }: Architecture, source: string): string =>
  `of${sha256(`${name} ${source}`).slice(0, 32)}`;

const usedEveryMs = 86_400_000;

/** Notes once a day that somebody still uses these sources, because others may share the state folder. */
function markUsed(stamp: string): void {
  const now = new Date();
  try {
    if (now.getTime() - statSync(stamp).mtimeMs > usedEveryMs) utimesSync(stamp, now, now);
  } catch {
    // A program without a note is built again if it is missing.
  }
}

/**
 * The source files of a program, in a fixed order. Only these places are searched, because cargo's own output may be
 * beside them.
 */
function sourceFiles({ title, source }: RustProgram): string[] {
  broughtAlong(`The sources of the ${title}`, join(source, 'Cargo.toml'));
  const below = (folder: string, recursive: boolean): string[] => {
    const path = join(source, folder);
    if (!existsSync(path)) return [];
    return readdirSync(path, { recursive, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  };
  const top = below('.', false).filter((file) =>
    /^(build\.rs|Cargo\.(toml|lock)|rust-toolchain.*)$/.test(basename(file)),
  );
  const files = [...top, ...below('src', true), ...below('.cargo', true)].toSorted();
  return files;
}

async function contentDigest(architecture: Architecture, source: string, files: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    files.map(async (file) => `${relative(source, file)} ${sha256(await readFile(file))}`),
  );
  return sha256([architecture.name, ...parts].join('\n'));
}

/** Returns the folder of a program that is to run on this host, which cargo builds when it is missing. */
export async function hostProgram(layout: Layout, program: RustProgram, options: ProgramOptions): Promise<string> {
  const { directory } = await rustProgram(layout, program, hostArchitecture(), options, async ({ work, update }) => {
    for (const built of await cargoBuild(program, update, options.signal)) {
      const path = join(work, basename(built));
      await copyFile(built, path);
      await chmod(path, 0o755);
      await flush(path);
    }
  });
  return directory;
}

/** The names of folders with cargo's output begin with this, and no digest does. */
export const targetPrefix = 'target';

/** Builds a program for this host with cargo, and gives the paths of its files. */
export async function cargoBuild(
  program: RustProgram,
  update: (detail: string) => void,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const { title, source, folder, files } = program;
  await requireRust(program, signal);
  const locked = existsSync(join(source, 'Cargo.lock')) ? ['--locked'] : [];
  const built = new Map<string, string>();
  const complaints: string[] = [];
  const log = folder('buildlog');
  await rm(log, { force: true });
  try {
    await runCommand('cargo', ['build', '--release', ...locked, '--message-format=json-render-diagnostics'], {
      cwd: source,
      // cargo's output is kept, so that the next build compiles only what has changed. Each checkout has its own: cargo
      // goes by times, and would take what another checkout has built later for its own.
      env: { CARGO_TARGET_DIR: folder(`${targetPrefix}${sha256(source).slice(0, 16)}`), CARGO_TERM_COLOR: 'never' },
      signal,
      log,
      onLine: (line) => {
        if (line.startsWith('error')) complaints.push(line);
        if (line.startsWith('{')) for (const path of filesIn(line)) built.set(basename(path), path);
        // Its lock on what all builds share says nothing about this one.
        else if (/^\s*(Compiling|Downloading|Downloaded|Updating|Finished)\b/.test(line)) update(line.trim());
      },
    });
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const reason = complaints.slice(0, 3).join(' | ') || error.tail;
    throw new NovaError('set_up_failed', `The ${title} could not be built: ${reason}. Log: ${log}`, {
      cause: error,
    });
  }
  return files.map((file) => {
    const path = built.get(file);
    if (path === undefined) throw new NovaError('set_up_failed', `cargo built no ${file}.`);
    return path;
  });
}

/** The paths in cargo's message about a finished program or library. Its other messages have none. */
function filesIn(line: string): string[] {
  const message: unknown = JSON.parse(line);
  if (typeof message !== 'object' || message === null) return [];
  const found = 'executable' in message ? [message.executable] : [];
  if ('filenames' in message && Array.isArray(message.filenames)) found.push(...(message.filenames as unknown[]));
  return found.filter((path) => typeof path === 'string');
}

export async function requireRust({ title, source }: RustProgram, signal: AbortSignal | undefined): Promise<void> {
  const manifest = await readFile(join(source, 'Cargo.toml'), 'utf8');
  const needed = /^rust-version\s*=\s*"(\d+)\.(\d+)/m.exec(manifest);
  const hint = `${installRemedy('cargo')}; or with rustup. A mirror may have it built (NOVA_MIRROR).`;
  const version = await runCommand('cargo', ['--version'], { cwd: source, signal }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw new NovaError('set_up_failed', `The ${title} needs Rust, and cargo does not run.`, { cause: error, hint });
  });
  const found = /^cargo (\d+)\.(\d+)/.exec(version);
  if (needed === null || found === null) return;
  const [wantMajor, wantMinor, major, minor] = [needed[1], needed[2], found[1], found[2]].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return;
  throw new NovaError('set_up_failed', `The ${title} needs Rust ${needed[1]}.${needed[2]} or newer, not ${version}.`, {
    hint,
  });
}
