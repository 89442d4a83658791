import { mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { makeRunFolder, vmmFolder } from '../layout.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { LaunchFailure, quote, type Launcher } from './launcher.ts';
import { lastWords } from './last-words.ts';
import { vmmLog } from './logs.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';
import { removeFolder } from './remove-folder.ts';
import { terminate } from './terminate.ts';

export interface SpawnOptions {
  readonly launcher: Launcher;
  /** The machine's spec. Its directory receives the logs, and is the working directory unless `cwd` is given. */
  readonly spec: Pick<MachineSpec, 'directory'>;
  readonly cwd?: string;
  /** Shell commands that become the VMM, and whether that is a process other than the shell (confine.ts). */
  readonly script: string;
  readonly saysPid?: boolean;
  /** Name of the log of its standard output; default: the log of its errors. Logs must exist already (logs.ts). */
  readonly stdout?: string;
  /** How long the process may take to end by itself when it has to be undone, ms. */
  readonly graceMs?: number;
}

/** Makes the folder of a machine's sockets, as makeFolderAnew() does, and in it the folder for its VMM. */
export async function makeSocketDirectory(undo: AsyncDisposableStack, spec: MachineSpec): Promise<void> {
  makeRunFolder(dirname(spec.socketDirectory));
  await makeFolderAnew(undo, spec.socketDirectory, 0o700);
  mkdirSync(vmmFolder(spec.socketDirectory), { mode: 0o700 });
}

/**
 * Makes a folder of a machine, without the contents that an earlier machine, which we did not stop, left in it. It is
 * undone with the rest.
 */
export async function makeFolderAnew(undo: AsyncDisposableStack, path: string, mode: number): Promise<void> {
  undo.defer(() => removeFolder(path));
  try {
    await mkdir(path, { mode });
  } catch {
    // The folder exists already, or its parent does not.
    await removeFolder(path);
    await mkdir(path, { recursive: true, mode });
  }
}

/**
 * Starts a VMM that outlives this process. Whatever goes wrong later, `undo` ends it. Rejects with `vmm_failed` and its
 * output when it cannot be started, or has ended already.
 */
export async function spawnVmm(undo: AsyncDisposableStack, options: SpawnOptions): Promise<ProcessIdentity> {
  const identity = await spawnProcess(undo, options);
  if (identity === null) throw await failed(options);
  return identity;
}

/** As spawnVmm(), for a process that may end when its work is done: null when it has ended already. */
export async function spawnProcess(undo: AsyncDisposableStack, options: SpawnOptions): Promise<ProcessIdentity | null> {
  const { launcher, spec, script, saysPid = false, stdout = vmmLog } = options;
  const steps = [
    'set -e',
    // Nobody else can read the files that the VMM makes.
    'umask 077',
    // Logs are opened for appending, so that they can be truncated while the VMM writes.
    `exec </dev/null 2>>${quote(join(spec.directory, vmmLog))}`,
    `exec >>${quote(join(spec.directory, stdout))}`,
    `cd ${quote(options.cwd ?? spec.directory)}`,
    script,
  ];
  let pid: number;
  try {
    pid = await launcher.start(steps.join('\n'), { saysPid });
  } catch (error) {
    throw await failed(options, error);
  }
  const identity = identify(pid);
  if (identity !== null) undo.defer(() => terminate(identity, options.graceMs ?? 0));
  return identity;
}

async function failed({ spec }: SpawnOptions, cause?: unknown): Promise<NovaError> {
  const why = cause instanceof LaunchFailure ? `: ${cause.message}` : '';
  return new NovaError('vmm_failed', `The VMM could not be started${why}. ${await lastWords(spec)}`.trim(), {
    cause,
  });
}
