import { mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { vmmFolder } from '../layout.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { LaunchFailure, quote, type Launcher } from './launcher.ts';
import { fileTail, vmmLog } from './logs.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';
import { removeFolder } from './remove-folder.ts';
import { terminate } from './terminate.ts';

export interface SpawnOptions {
  readonly launcher: Launcher;
  /** The machine's: its directory is where the process logs, and runs unless `cwd` says otherwise. */
  readonly spec: Pick<MachineSpec, 'directory'>;
  readonly cwd?: string;
  /** Shell commands that become the VMM, and whether that is another process than the shell (confine.ts). */
  readonly script: string;
  readonly saysPid?: boolean;
  /** Name of the log of its standard output; default: that of its errors. Logs are made before (logs.ts). */
  readonly stdout?: string;
  /** How long the process may take to end by itself when it has to be undone, ms. */
  readonly graceMs?: number;
}

/** Makes the folder of a machine's sockets, as makeFolderAnew() does, and in it the one for its VMM. */
export async function makeSocketDirectory(undo: AsyncDisposableStack, spec: MachineSpec): Promise<void> {
  await makeFolderAnew(undo, spec.socketDirectory, 0o700);
  mkdirSync(vmmFolder(spec.socketDirectory), { mode: 0o700 });
}

/** Makes a folder of a machine's, without what one left in it that was not stopped by us; undone with the rest. */
export async function makeFolderAnew(undo: AsyncDisposableStack, path: string, mode: number): Promise<void> {
  undo.defer(() => removeFolder(path));
  try {
    await mkdir(path, { mode });
  } catch {
    // Is there, or what it lies in is not.
    await removeFolder(path);
    await mkdir(path, { recursive: true, mode });
  }
}

/**
 * Starts a VMM that outlives this process. Whatever goes wrong later, `undo` ends it. Rejects with `vmm_failed` and what it said when it
 * cannot be started, or has ended already.
 */
export async function spawnVmm(undo: AsyncDisposableStack, options: SpawnOptions): Promise<ProcessIdentity> {
  const identity = await spawnProcess(undo, options);
  if (identity === null) throw await failed(options);
  return identity;
}

/** As spawnVmm(), for a process that may end when it has done what it is for: null when it has ended already. */
export async function spawnProcess(undo: AsyncDisposableStack, options: SpawnOptions): Promise<ProcessIdentity | null> {
  const { launcher, spec, script, saysPid = false, stdout = vmmLog } = options;
  const steps = [
    'set -e',
    // What the VMM makes is nobody else's to read.
    'umask 077',
    // For appending, so that logs can be cut short meanwhile.
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
  const said = (await fileTail(join(spec.directory, vmmLog), 2000)).trim();
  const why = cause instanceof LaunchFailure ? `: ${cause.message}` : '';
  return new NovaError('vmm_failed', `The VMM could not be started${why}. ${said}`.trim(), { cause });
}
