import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { MachineExit, MachineSpec } from '../ports/vmm-driver.ts';
import { fileTail, openLog, vmmLog } from './logs.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';
import { terminate } from './terminate.ts';

export interface VmmProcess {
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity;
  /** Settles when it has ended; never rejects. */
  readonly exit: Promise<MachineExit>;
}

export interface SpawnOptions {
  /** The machine's: its directory is where the process logs, and runs unless `cwd` says otherwise. */
  readonly spec: Pick<MachineSpec, 'directory'>;
  readonly cwd?: string;
  readonly command: readonly string[];
  /** Standard streams and descriptors to inherit; the log of the VMM is put where this says `log`. */
  readonly stdio: readonly (number | 'ignore' | 'pipe' | 'log')[];
  /** How long the process may take to end by itself when it has to be undone, ms. */
  readonly graceMs?: number;
}

/** Makes the folder of a machine's sockets, without what one left in it that was not stopped by us; undone with the rest. */
export async function makeSocketDirectory(undo: AsyncDisposableStack, spec: MachineSpec): Promise<void> {
  await rm(spec.socketDirectory, { recursive: true, force: true });
  await mkdir(spec.socketDirectory, { recursive: true, mode: 0o700 });
  undo.defer(() => rm(spec.socketDirectory, { recursive: true, force: true }));
}

/**
 * Starts a VMM that outlives this process. Whatever goes wrong later, `undo` ends it. Rejects with `vmm_failed` and what it said when it
 * cannot be started.
 */
export async function spawnVmm(undo: AsyncDisposableStack, options: SpawnOptions): Promise<VmmProcess> {
  const { spec, command } = options;
  await using log = await openLog(spec.directory, vmmLog);
  const stdio: StdioOptions = options.stdio.map((each) => (each === 'log' ? log.fd : each));
  const child = spawn(command[0] ?? '', command.slice(1), {
    detached: true,
    cwd: options.cwd ?? spec.directory,
    env: { PATH: process.env['PATH'] ?? '' },
    stdio,
  });
  const exit = Promise.withResolvers<MachineExit>();
  child.once('exit', (code, name) => exit.resolve({ code, signal: name }));
  let failure = '';
  child.once('error', (error) => {
    failure = error.message;
    exit.resolve({ code: null, signal: null });
  });
  const identity = child.pid === undefined ? null : identify(child.pid);
  if (identity === null) {
    await exit.promise;
    const said = await fileTail(join(spec.directory, vmmLog), 2000);
    throw new NovaError('vmm_failed', `The VMM could not be started: ${failure} ${said}`.trim());
  }
  undo.defer(async () => {
    // Its end is waited for, also when nothing else is going on here.
    child.ref();
    await terminate(identity, options.graceMs ?? 0);
    await exit.promise;
  });
  child.unref();
  return { child, identity, exit: exit.promise };
}
