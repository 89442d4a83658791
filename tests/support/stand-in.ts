import { chmod, copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { VisibleFile } from '@novasandbox/engine';

/** A program that stands for a VMM, to be named by its environment variable. */
export interface StandIn extends AsyncDisposable {
  readonly path: string;
}

/** Files that the stand-in at `path` needs besides itself: the Node that it runs on, and the folder of its guests. */
export const standInFiles = (path: string): VisibleFile[] => [
  { path: join(dirname(path), 'guests'), how: 'write' },
  { path: dirname(process.execPath), how: 'program' },
];

/**
 * A VMM's stand-in as an executable, with the agent that plays its guests. In a folder of its own that VMMs of any user can read: the checkout may
 * be where they cannot.
 * @param version what it says it is, where it goes by that
 */
export async function standInFor(
  vmm: 'cloud-hypervisor' | 'firecracker' | 'vfkit',
  agentBinary: string,
  version = '',
): Promise<StandIn> {
  const directory = await mkdtemp(join(tmpdir(), 'nova-stand-in-'));
  await chmod(directory, 0o755);
  await cp(join(import.meta.dirname, 'stand-in'), directory, { recursive: true });
  await writeFile(join(directory, 'version'), version);
  await copyFile(agentBinary, join(directory, 'nova-agent'));
  // VMMs of any user have their guests here.
  await mkdir(join(directory, 'guests'));
  await chmod(join(directory, 'guests'), 0o777);
  const path = join(directory, vmm);
  // As modules; Node would look for a package.json all the way up.
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
  await writeFile(
    path,
    // Node takes a while to know when it was started, so a shell notes that, in ms since 1970. That shell has to be started itself: it is so twice, to know
    // how long that takes. Then it becomes Node.
    [
      '#!/bin/bash',
      'LC_ALL=C',
      'now=${EPOCHREALTIME/./}',
      '[ -n "$STAND_IN_SINCE" ] || STAND_IN_SINCE=$now exec "$0" "$@"',
      'began=$((2 * STAND_IN_SINCE - now))',
      'echo "${began:0:13}.${began:13} started" >&2',
      'unset STAND_IN_SINCE',
      `exec '${process.execPath}' --disable-warning=ExperimentalWarning '${join(directory, `${vmm}.ts`)}' "$@"`,
      '',
    ].join('\n'),
  );
  for (const file of [path, join(directory, 'nova-agent')]) await chmod(file, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}
