import type { Access } from 'novasandbox';
import { printable } from '@novasandbox/protocol/visible';
import { withAccess } from './with-access.ts';
import { reportError } from '../render/error.ts';
import { printJson } from '../render/json.ts';

/**
 * Removes keys or users one after the other. Prints each removed one, reports each failure, and exits with 1 if any
 * failed.
 */
export function removeEach(
  names: readonly string[],
  { json }: { readonly json: boolean },
  remove: (access: Access, name: string) => Promise<void>,
): Promise<void> {
  return withAccess(async (access) => {
    const removed: string[] = [];
    for (const name of new Set(names)) {
      try {
        await remove(access, name);
        removed.push(name);
        if (!json) process.stdout.write(`${printable(name)}\n`);
      } catch (error) {
        process.exitCode = await reportError(error, { json, exitCode: 1 });
      }
    }
    if (json) printJson(removed.map((id) => ({ id })));
  });
}
