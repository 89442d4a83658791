import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { broughtAlong } from '../layout.ts';
import { runCommand } from './command.ts';
import { sourcesFor } from './debian-sources.ts';
import { areIsolated, isolated } from './isolated.ts';

export interface Bootstrap {
  readonly suite: string;
  /** mmdebstrap's name for what is installed; `extract`: packages are unpacked and none of them is run. */
  readonly variant: string;
  /** Debian's names; the first is the tree's own. */
  readonly architectures: readonly string[];
  /** Package names, or apt's patterns. */
  readonly packages: readonly string[];
  /** mmdebstrap's options that name hooks. Root of a user namespace runs them, who cannot open what is ours: it works with `descriptors`. */
  readonly hooks: readonly string[];
  /** Descriptors of this process the hooks get as 3, 4, ... */
  readonly descriptors: readonly number[];
  readonly work: string;
  /** Where root makes the tree in memory, the most it may take; 0: on disk. */
  readonly memoryBytes?: number;
  readonly log: string;
  readonly onLine: (line: string) => void;
}

/**
 * Makes a tree of Debian packages below a temporary folder, runs the hooks in it and throws it away. Works as root and, where user namespaces are
 * allowed, without. On abort nothing of it runs on or stays mounted.
 * @throws CommandFailure
 */
export async function bootstrap(wanted: Bootstrap, signal?: AbortSignal): Promise<void> {
  const asRoot = process.getuid?.() === 0;
  const scripts: Record<string, string> = {};
  const hooks = wanted.hooks.map((option, index) => {
    const [, name, text] = /^(--\w+-hook)=(.*)$/s.exec(option) ?? [];
    if (name === undefined || text === undefined) return option;
    const variable = `NOVA_HOOK_${index}`;
    scripts[variable] = text;
    return `${name}=${withDescriptors(wanted.descriptors.length, variable)}`;
  });
  const { memoryBytes = 0 } = wanted;
  const inMemory = asRoot && memoryBytes > 0 && (await areIsolated());
  const tree = inMemory ? join(wanted.work, 'tree') : wanted.work;
  if (inMemory) await mkdir(tree);
  const [program, ...rest] = await isolated([
    // In a mount namespace of its own: gone with the command.
    ...(inMemory
      ? ['sh', '-c', `mount -t tmpfs -o mode=755,size=${memoryBytes} tmpfs "$TMPDIR" && exec "$@"`, 'sh']
      : []),
    ...liftDescriptors(wanted.descriptors.length),
    'mmdebstrap',
    `--mode=${asRoot ? 'root' : 'unshare'}`,
    `--variant=${wanted.variant}`,
    `--architectures=${wanted.architectures.join(',')}`,
    '--format=null',
    // What is of use is taken out by the hooks: afterwards the tree is thrown away.
    '--skip=cleanup',
    '--verbose',
    ...wanted.packages.map((name) => `--include=${name}`),
    '--aptopt=Acquire::Languages "none"',
    // What is interrupted is thrown away whole: there is nothing to make durable while it is built.
    '--dpkgopt=force-unsafe-io',
    ...hooks,
    wanted.suite,
    '/dev/null',
    ...(await sourcesFor(wanted.suite, signal)),
  ]);
  await runCommand(program, rest, {
    signal,
    log: wanted.log,
    onLine: wanted.onLine,
    // Not root: the folders above `work` may be closed to the users of the namespace.
    env: { ...scripts, ...(asRoot ? { TMPDIR: tree } : {}) },
    descriptors: wanted.descriptors,
  });
}

/**
 * mmdebstrap names a pipe of its own to a shell that knows descriptors up to 9 alone: ours may not take the low numbers while it runs. They wait
 * from here on, and a hook finds them at 3, 4, ... again.
 */
export const firstLifted = 100;

function liftDescriptors(count: number): string[] {
  if (count === 0) return [];
  const moves = Array.from({ length: count }, (_, index) => `${firstLifted + index}<&${3 + index} ${3 + index}<&-`);
  return ['bash', '-c', `exec ${moves.join(' ')}; exec "$@"`, 'bash'];
}

/** A hook that runs the script in an environment variable with its descriptors. */
function withDescriptors(count: number, variable: string): string {
  const moves = Array.from({ length: count }, (_, index) => `${3 + index}<&${firstLifted + index}`);
  const back = count === 0 ? '' : `exec ${moves.join(' ')}; `;
  return `exec bash -c '${back}exec sh -c "$${variable}" sh "$1"' bash "$1"`;
}

/**
 * Makes a file for hooks to write by its descriptor. Where we are not root they run as another user, who opens the descriptor anew: nobody else gets so far,
 * as the folder is closed. Root's own file is root's from the start: whoever had it open for writing would keep it.
 */
export async function openForHooks(path: string): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600);
  if (process.getuid?.() !== 0) await file.chmod(0o666);
  return file;
}

/** A shell script that lies beside this file, for a hook or a guest. */
export const script = async (name: string): Promise<string> =>
  readFile(broughtAlong('Scripts that build images', join(import.meta.dirname, name)), 'utf8');
