import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '@novasandbox/engine/services';
import { isNovaError } from '@novasandbox/protocol';
import { remoteFolder } from './place.ts';

/** Sandboxes that are asked for at once, so that a push is not held up by a long history. */
const mostAsked = 8;

/**
 * Removes what this host kept of sandboxes of a daemon that are gone. Where the sandboxes are on this host, it goes
 * with them.
 */
export async function pruneBases({ place, sandboxes }: Engine, signal: AbortSignal | undefined): Promise<void> {
  if ('home' in place) return;
  const folder = remoteFolder(place.url);
  const ids = readdirSync(folder).filter((name) => /^[a-z0-9]{1,64}$/.test(name));
  // A random choice gets to each of them sooner or later.
  for (const id of ids.toSorted(() => Math.random() - 0.5).slice(0, mostAsked)) {
    signal?.throwIfAborted();
    try {
      await sandboxes.get(id);
    } catch (error) {
      if (isNovaError(error, 'sandbox_not_found')) rmSync(join(folder, id), { recursive: true, force: true });
    }
  }
}
