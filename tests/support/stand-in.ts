import { chmod, copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { VisibleFile } from '@novasandbox/engine';

/** A program that stands in for a VMM, to be named by the VMM's environment variable. */
export interface StandIn extends AsyncDisposable {
  readonly path: string;
}

/** Files that the stand-in at `path` needs besides itself: the Node that runs it, and the folder of its guests. */
export const standInFiles = (path: string): VisibleFile[] => [
  { path: join(dirname(path), 'guests'), how: 'write' },
  { path: dirname(process.execPath), how: 'program' },
];

/**
 * A VMM's stand-in as an executable, with the agent that plays its guests. It has a folder of its own that VMMs of any
 * user can read, because the checkout may be closed to them.
 * @param vmm the name of the program, and of its file in `stand-in/`
 * @param version the version that it reports, where that matters
 */
export async function standInFor(vmm: string, agentBinary: string, version = ''): Promise<StandIn> {
  const directory = await mkdtemp(join(tmpdir(), 'nova-stand-in-'));
  await chmod(directory, 0o755);
  await cp(join(import.meta.dirname, 'stand-in'), directory, { recursive: true });
  await writeFile(join(directory, 'version'), version);
  await copyFile(agentBinary, join(directory, 'nova-agent'));
  // VMMs of any user have their guests here.
  await mkdir(join(directory, 'guests'));
  await chmod(join(directory, 'guests'), 0o777);
  const path = join(directory, vmm);
  // Marks them as modules; Node would otherwise look for a package.json in all parent folders.
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
  await writeFile(
    path,
    // Node takes a while until it can read the time, so a shell records its start, in ms since 1970. That shell has to
    // be started itself; it is started twice, to measure how long that takes. Then it becomes Node.
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
