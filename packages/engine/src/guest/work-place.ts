import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Layout } from '../layout.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { noteUnfinished } from '../vmm/unfinished.ts';

/** The id of a machine, and its folders on this host. */
export interface WorkPlace extends AsyncDisposable {
  readonly id: string;
  readonly directory: string;
  readonly socketDirectory: string;
}

/**
 * Makes the place for a machine that lives for one piece of work and that no store knows. Each is a machine of its own,
 * so that clearing up after a killed process touches only that machine. Disposing removes the place; the machine has to
 * have ended by then.
 *
 * @param kind begins the id: four lower case letters
 */
export async function makeWorkPlace(
  layout: Layout,
  kind: 'gold' | 'root' | 'heal',
  directory: string,
): Promise<WorkPlace> {
  await using undo = new AsyncDisposableStack();
  const id = `${kind}${randomBytes(10).toString('hex')}`;
  const socketDirectory = layout.sockets(id);
  undo.use(noteUnfinished(layout.making, { id, socketDirectory, folders: [directory] }));
  await mkdir(directory, { mode: 0o700 });
  undo.defer(() => removeFolder(directory));
  const held = undo.move();
  return { id, directory, socketDirectory, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
