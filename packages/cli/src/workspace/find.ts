import { realpathSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import type { Engine } from '@novasandbox/engine';
import type { Sandbox } from 'novasandbox';
import { UsageError } from '../usage-error.ts';

/** A folder of this host that was pushed into a sandbox. */
export interface Pushed {
  readonly sandboxId: string;
  readonly folder: string;
  readonly guestPath: string;
}

/**
 * Finds the sandbox and folder that a verb means. Without a sandbox it is the only running one into which the current
 * folder, or one above it, was pushed.
 */
export async function findPushed(engine: Engine, ref: string | undefined, at: string | undefined): Promise<Pushed> {
  const { workspacesOf } = await import('novasandbox/workspaces');
  const of = (sandboxId: string): Pushed[] =>
    workspacesOf(engine.place, sandboxId)
      .filter(({ guestPath }) => at === undefined || guestPath === at)
      .map(({ folder, guestPath }) => ({ sandboxId, folder, guestPath }));
  const here = realpathSync('.');
  const ids =
    ref === undefined ? (await engine.sandboxes.list()).map(({ id }) => id) : [(await engine.sandboxes.get(ref)).id];
  const found = ids.flatMap(of).filter(({ folder }) => ref !== undefined || isIn(here, folder));
  const [only, another] = found;
  if (only === undefined) {
    const what = ref === undefined ? 'This folder was' : 'No folder was';
    throw new UsageError(
      `${what}${ref === undefined ? ' not' : ''} pushed into ${ref ?? 'a running sandbox'}: "nova push" does that.`,
    );
  }
  if (another === undefined) return only;
  throw new UsageError(
    ref === undefined
      ? `Say which sandbox: ${[...new Set(found.map(({ sandboxId }) => sandboxId))].join(', ')}.`
      : `Say which folder with --at: ${found.map(({ guestPath }) => guestPath).join(', ')}.`,
  );
}

/** Runs work with a handle on the sandbox of a pushed folder. */
export async function withPushed<T>(
  engine: Engine,
  pushed: Pushed,
  work: (sandbox: Sandbox) => Promise<T>,
): Promise<T> {
  const { Sandbox } = await import('novasandbox');
  await using sandbox = await Sandbox.connect(pushed.sandboxId, { engine });
  return await work(sandbox);
}

/**
 * Paths as they are named in a pushed folder. Inside of the folder they are relative to where we are, and elsewhere
 * relative to the folder.
 */
export function pathsIn(folder: string, words: readonly string[]): string[] | undefined {
  if (words.length === 0) return undefined;
  const here = realpathSync('.');
  const from = isIn(here, folder) ? here : folder;
  return words.map((word) => {
    const path = relative(folder, isAbsolute(word) ? word : join(from, word));
    if (path === '..' || path.startsWith('../')) throw new UsageError(`"${word}" is not in ${folder}.`);
    return path === '' ? '.' : path;
  });
}

const isIn = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
