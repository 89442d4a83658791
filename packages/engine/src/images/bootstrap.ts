import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { broughtAlong } from '../layout.ts';
import { runCommand } from '../programs/command.ts';
import { sourcesFor } from './debian-sources.ts';
import { areIsolated, isolated } from './isolated.ts';

export interface Bootstrap {
  readonly suite: string;
  /**
   * mmdebstrap's name for the set of packages to install; with `extract`, packages are unpacked and none of their
   * programs is run.
   */
  readonly variant: string;
  /** Debian's names; the first is the tree's own architecture. */
  readonly architectures: readonly string[];
  /** Package names, or apt's patterns. */
  readonly packages: readonly string[];
  /**
   * mmdebstrap's options that name hooks. Hooks may run as root of a user namespace, who cannot open our files, so they
   * use `descriptors`.
   */
  readonly hooks: readonly string[];
  /** Descriptors of this process that the hooks get as 3, 4, ... */
  readonly descriptors: readonly number[];
  readonly work: string;
  /** The most memory in which root may make the tree; 0: the tree is made on disk. */
  readonly memoryBytes?: number;
  readonly log: string;
  readonly onLine: (line: string) => void;
}

/**
 * Makes a tree of Debian packages below a temporary folder, runs the hooks in it, and removes it. Works as root and,
 * where user namespaces are allowed, as other users. After an abort nothing of it runs or stays mounted.
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
    // It is mounted in a mount namespace of its own, and so goes away with the command.
    ...(inMemory
      ? ['sh', '-c', `mount -t tmpfs -o mode=755,size=${memoryBytes} tmpfs "$TMPDIR" && exec "$@"`, 'sh']
      : []),
    ...liftDescriptors(wanted.descriptors.length),
    'mmdebstrap',
    `--mode=${asRoot ? 'root' : 'unshare'}`,
    `--variant=${wanted.variant}`,
    `--architectures=${wanted.architectures.join(',')}`,
    '--format=null',
    // The hooks take out everything that is of use. The tree is removed afterwards.
    '--skip=cleanup',
    '--verbose',
    ...wanted.packages.map((name) => `--include=${name}`),
    '--aptopt=Acquire::Languages "none"',
    // A build that is interrupted is thrown away as a whole, so nothing needs to be durable while it is built.
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
    // Without root, the folders above `work` may be closed to the users of the namespace.
    env: { ...scripts, ...(asRoot ? { TMPDIR: tree } : {}) },
    descriptors: wanted.descriptors,
  });
}

/**
 * mmdebstrap passes a pipe of its own to a shell that supports only descriptors up to 9, so ours must not take the low
 * numbers while it runs. They are kept from this number on, and moved to 3, 4, ... for a hook.
 */
export const firstLifted = 100;

function liftDescriptors(count: number): string[] {
  if (count === 0) return [];
  const moves = Array.from({ length: count }, (_, index) => `${firstLifted + index}<&${3 + index} ${3 + index}<&-`);
  return ['bash', '-c', `exec ${moves.join(' ')}; exec "$@"`, 'bash'];
}

/** A hook that runs the script in an environment variable, with its descriptors. */
function withDescriptors(count: number, variable: string): string {
  const moves = Array.from({ length: count }, (_, index) => `${3 + index}<&${firstLifted + index}`);
  const back = count === 0 ? '' : `exec ${moves.join(' ')}; `;
  return `exec bash -c '${back}exec sh -c "$${variable}" sh "$1"' bash "$1"`;
}

/**
 * Makes a file that hooks write through its descriptor. Without root they run as another user, who opens the descriptor
 * anew, so the mode lets others in. Nobody else reaches the file, because its folder is closed. As root, the file is
 * root's alone from the start: a user who had once opened it for writing could keep it open.
 */
export async function openForHooks(path: string): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600);
  if (process.getuid?.() !== 0) await file.chmod(0o666);
  return file;
}

/** The text of a shell script beside this file, for a hook or a guest. */
export const script = async (name: string): Promise<string> =>
  readFile(broughtAlong('Scripts that build images', join(import.meta.dirname, name)), 'utf8');
