import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { layoutAt } from '@novasandbox/engine/layout';
import type { EnginePlace } from '@novasandbox/engine/services';
import { NovaError } from '@novasandbox/protocol';
import type { WorkspaceInfo } from '../types.ts';
import { readInfo } from './base.ts';

/**
 * Where this host keeps what was pushed into a sandbox. Beside the sandbox, where that is on this host: it goes with
 * it. Otherwise in a folder of the user, by the address of the daemon.
 */
export function baseFolder(place: EnginePlace, sandboxId: string): string {
  if ('home' in place) return join(layoutAt(place.home).sandbox(sandboxId), 'workspaces');
  // The id comes from a daemon that need not be trusted.
  if (!/^[a-z0-9]{1,64}$/.test(sandboxId)) throw new NovaError('internal', `"${sandboxId}" is no id of a sandbox.`);
  return join(remoteFolder(place.url), sandboxId);
}

/** The folder for the sandboxes of a daemon at an address. */
export function remoteFolder(url: string): string {
  const given = process.env['XDG_STATE_HOME'];
  const state = given !== undefined && given !== '' ? given : join(homedir(), '.local/state');
  return join(state, 'novasandbox/workspaces', createHash('sha256').update(url).digest('hex').slice(0, 16));
}

/** The file about one folder of a guest. */
export function baseFile(place: EnginePlace, sandboxId: string, guestPath: string): string {
  const name = createHash('sha256').update(guestPath).digest('hex').slice(0, 16);
  return join(baseFolder(place, sandboxId), `${name}.sqlite`);
}

/** Makes the folder of a base file, for its owner alone. */
export function prepareBaseFolder(place: EnginePlace, sandboxId: string): void {
  mkdirSync(baseFolder(place, sandboxId), { recursive: true, mode: 0o700 });
}

/** The folders that were pushed into a sandbox, the newest first. */
export function workspacesOf(place: EnginePlace, sandboxId: string): WorkspaceInfo[] {
  const folder = baseFolder(place, sandboxId);
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => /^[0-9a-f]{16}\.sqlite$/.test(name)) : [];
  return files
    .flatMap((name) => readInfo(join(folder, name)) ?? [])
    .toSorted((a, b) => (a.pushedAt < b.pushedAt ? 1 : -1));
}

/**
 * The folder of the guest that a call means.
 *
 * @throws NovaError `invalid_argument` where the sandbox has none, or several and none is named
 */
export function chosenWorkspace(place: EnginePlace, sandboxId: string, guestPath: string | undefined): WorkspaceInfo {
  const all = workspacesOf(place, sandboxId);
  const found = guestPath === undefined ? all : all.filter((each) => each.guestPath === guestPath);
  const [only, another] = found;
  if (only !== undefined && another === undefined) return only;
  if (only === undefined) {
    const where = guestPath === undefined ? '' : ` at ${guestPath}`;
    throw new NovaError('invalid_argument', `No folder was pushed into sandbox ${sandboxId}${where} from here.`, {
      hint: 'Push a folder first: nova push, or sandbox.workspace.push().',
    });
  }
  throw new NovaError('invalid_argument', `guestPath: say which: ${found.map((each) => each.guestPath).join(', ')}.`);
}
