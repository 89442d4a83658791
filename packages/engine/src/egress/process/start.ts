import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { NovaError, parse, type ErrorCode } from '@novasandbox/protocol';
import { broughtAlong } from '../../layout.ts';
import type { VmmUsers } from '../../vmm/vmm-users.ts';
import { identify } from '../../vmm/process-identity.ts';
import { startedDescriptor, startedSchema } from './wire.ts';

/** Neither exists in a CommonJS bundle, which has no module of its own for the process. */
const { dirname: here, filename }: { readonly dirname?: string; readonly filename?: string } = import.meta;
const entry = (): string =>
  broughtAlong(
    'The modules of the egress process',
    join(here === undefined ? resolve('.') : here, filename?.endsWith('.ts') === true ? 'main.ts' : 'main.js'),
  );

/** Its modules load within a second; a host that is busy takes longer. */
const startsWithinMs = 60_000;

/** The buffers of connections lie outside the heap, so a small young generation keeps the process small. */
export const nodeOptions: readonly string[] = ['--max-semi-space-size=1'];

export interface StartOptions {
  readonly socket: string;
  /** The file for its standard error. */
  readonly log: string;
  readonly users: Pick<VmmUsers, 'take'>;
  /** The program that opens listeners. */
  readonly listener: string;
}

/**
 * Starts the process, detached, and resolves once it listens. The caller sees to it that no two are started at once.
 * @throws NovaError `network_failed`
 */
export async function startEgress({ socket, log, users, listener }: StartOptions): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const user = users.take(undo);
  // The one of a process that has ended.
  rmSync(socket, { force: true });
  rmSync(log, { force: true });
  const output = openSync(log, 'wx', 0o600);
  const as = user === null ? '-' : String(user.uid);
  const child = spawn(process.execPath, [...nodeOptions, entry(), socket, as, listener], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', output, output, 'pipe'],
    env: environment(),
  });
  closeSync(output);
  const ended = once(child, 'exit');
  ended.catch(() => undefined);
  undo.defer(async () => {
    if (child.pid === undefined) return;
    child.kill('SIGKILL');
    await ended;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), startsWithinMs);
  let said: string;
  try {
    said = await text(child.stdio[startedDescriptor] as Readable);
  } finally {
    clearTimeout(timer);
  }
  if (said === '')
    throw new NovaError('network_failed', 'The process that decides what sandboxes reach did not start.', {
      hint: `Its output is in ${log}.`,
    });
  const started = parse(startedSchema, JSON.parse(said), 'The first line of the egress process');
  if ('error' in started)
    throw new NovaError(started.error.code as ErrorCode, started.error.message, { hint: started.error.hint });
  const identity = child.pid === undefined ? null : identify(child.pid);
  if (identity === null)
    throw new NovaError('network_failed', 'The process that decides what sandboxes reach has ended.');
  user?.handTo(identity);
  child.unref();
  undo.move();
}

/** No secret of ours is among these. */
function environment(): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE, NOVA_HOME, NOVA_EXTRA_CA } = process.env;
  return Object.fromEntries(
    // The threads of Node share one arena of memory: the process is small, and mostly has one thread that works.
    Object.entries({ PATH, NODE_COMPILE_CACHE, NOVA_HOME, NOVA_EXTRA_CA, MALLOC_ARENA_MAX: '1' }).filter(
      ([, value]) => value !== undefined,
    ),
  );
}
