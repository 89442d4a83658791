import { existsSync, readdirSync } from 'node:fs';
import { chmod, copyFile, readFile, rm } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { hostArchitecture, type Architecture } from '../architecture.ts';
import { repositoryRoot, type Layout } from '../layout.ts';
import type { ImageOptions } from '../ports/image-source.ts';
import { CommandFailure, runCommand } from './command.ts';
import { crossBuildAgent } from './cross-agent.ts';
import { withLock } from './lock.ts';
import { flush, publish } from './publish.ts';
import { fileMark, readStamp, sha256, writeStamp } from './stamp.ts';
import { step } from './step.ts';

export interface AgentBinary {
  readonly digest: string;
  readonly path: string;
}

export const agentSource = join(repositoryRoot, 'guest/agent');
const binaryName = 'nova-agent';

/**
 * The guest agent, built from the sources of this checkout when there is no binary of just these sources. That they are unchanged is judged by
 * their sizes and times first, so that the usual call reads no source.
 */
export async function guestAgent(
  layout: Layout,
  architecture: Architecture,
  options: ImageOptions,
  source = agentSource,
): Promise<AgentBinary> {
  const files = sourceFiles(source);
  const mark = sha256([architecture.name, ...files.map((file) => `${file} ${fileMark(file)}`)].join('\n'));
  const stamp = layout.agent(`of${sha256(`${architecture.name} ${source}`).slice(0, 32)}`);
  const known = readStamp(stamp, mark);
  if (known !== null && existsSync(binaryAt(layout, known))) return { digest: known, path: binaryAt(layout, known) };

  return withLock(layout.agent('lock'), options, async () => {
    const digest = await contentDigest(architecture, source, files);
    if (!existsSync(binaryAt(layout, digest))) {
      await step(options.progress, 'agent', 'Guest agent', (update) =>
        publish(layout, 'agent', async (work) => {
          const binary = join(work, binaryName);
          if (architecture === hostArchitecture()) {
            await copyFile(await build(layout, source, update, options.signal), binary);
          } else {
            await requireRust(source, options.signal);
            const log = layout.agent(`buildlog${architecture.name}`);
            await rm(log, { force: true });
            await crossBuildAgent(architecture, { source, files, work, log, binary }, update, options.signal);
          }
          await chmod(binary, 0o755);
          await flush(binary);
          if ((await contentDigest(architecture, source, files)) !== digest) {
            throw new NovaError('set_up_failed', `The sources in ${source} changed while the guest agent was built.`);
          }
          return layout.agent(digest);
        }),
      );
    }
    await writeStamp(stamp, mark, digest);
    return { digest, path: binaryAt(layout, digest) };
  });
}

const binaryAt = (layout: Layout, digest: string): string => join(layout.agent(digest), binaryName);

/** What the binary is made of, in a fixed order. Only these places are looked into: cargo's own output may lie beside them. */
function sourceFiles(source: string): string[] {
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
  if (files.length === 0) {
    throw new NovaError('set_up_failed', `The sources of the guest agent are missing in ${source}.`, {
      hint: 'Run NovaSandbox from a complete checkout.',
    });
  }
  return files;
}

async function contentDigest(architecture: Architecture, source: string, files: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    files.map(async (file) => `${relative(source, file)} ${sha256(await readFile(file))}`),
  );
  return sha256([architecture.name, ...parts].join('\n'));
}

async function build(
  layout: Layout,
  source: string,
  update: (detail: string) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  await requireRust(source, signal);
  const locked = existsSync(join(source, 'Cargo.lock')) ? ['--locked'] : [];
  let executable: string | undefined;
  const complaints: string[] = [];
  const log = layout.agent('buildlog');
  await rm(log, { force: true });
  try {
    await runCommand('cargo', ['build', '--release', ...locked, '--message-format=json-render-diagnostics'], {
      cwd: source,
      // Kept, so that the next change builds only what it touches.
      env: { CARGO_TARGET_DIR: layout.agent('target'), CARGO_TERM_COLOR: 'never' },
      signal,
      log,
      onLine: (line) => {
        if (line.startsWith('error')) complaints.push(line);
        if (line.startsWith('{')) executable = executableIn(line) ?? executable;
        else if (/^\s*(Compiling|Downloading|Downloaded|Updating|Finished)\b/.test(line)) update(line.trim());
      },
    });
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const reason = complaints.slice(0, 3).join(' | ') || error.tail;
    throw new NovaError('set_up_failed', `The guest agent could not be built: ${reason}. Log: ${log}`, {
      cause: error,
    });
  }
  if (executable === undefined) throw new NovaError('set_up_failed', `cargo built no ${binaryName}.`);
  return executable;
}

/** The path in cargo's message about the finished binary; null for its other messages. */
function executableIn(line: string): string | null {
  const message: unknown = JSON.parse(line);
  if (typeof message !== 'object' || message === null || !('executable' in message)) return null;
  const { executable } = message;
  return typeof executable === 'string' && executable.endsWith(`/${binaryName}`) ? executable : null;
}

async function requireRust(source: string, signal: AbortSignal | undefined): Promise<void> {
  const manifest = await readFile(join(source, 'Cargo.toml'), 'utf8');
  const needed = /^rust-version\s*=\s*"(\d+)\.(\d+)/m.exec(manifest);
  const hint =
    'Install it with ./nova, or by hand: `apt-get install cargo-web rustc-web` on Debian 12, rustup elsewhere.';
  const version = await runCommand('cargo', ['--version'], { cwd: source, signal }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw new NovaError('set_up_failed', 'The guest agent needs Rust, and cargo does not run.', { cause: error, hint });
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
  throw new NovaError(
    'set_up_failed',
    `The guest agent needs Rust ${needed[1]}.${needed[2]} or newer, not ${version}.`,
    {
      hint,
    },
  );
}
