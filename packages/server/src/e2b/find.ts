import { isLive, isNovaError, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { CallerContext } from '../context.ts';

/**
 * Finds a running, paused or hibernated sandbox by its whole id: for E2B's clients, sandboxes in other states do not
 * exist.
 */
export const liveSandbox = (context: CallerContext, id: string): Promise<SandboxInfo> =>
  find(context, id, ({ state }) => isLive(state) && state !== 'stopping');

/** Also finds a stopping sandbox, and an ended one whose removal failed, so that a kill can be repeated. */
export const killable = (context: CallerContext, id: string): Promise<SandboxInfo> =>
  find(context, id, ({ state, ephemeral }) => ephemeral || isLive(state));

/** How long to wait for the end of a sandbox that is stopping, ms. */
const endsWithinMs = 15_000;

async function find(
  { engine }: CallerContext,
  id: string,
  counts: (info: SandboxInfo) => boolean,
): Promise<SandboxInfo> {
  try {
    const found = await engine.sandboxes.get(id);
    // One that is being paused is `stopping` for a moment, and hibernated after it.
    const ends = found.id === id && found.state === 'stopping' && !counts(found);
    const info = ends ? await engine.sandboxes.exited(id, { signal: AbortSignal.timeout(endsWithinMs) }) : found;
    if (info.id === id && counts(info)) return info;
  } catch (error) {
    if (!isNovaError(error, 'sandbox_not_found', 'cancelled')) throw error;
  }
  throw new NovaError('sandbox_not_found', `Sandbox "${id}" not found`);
}
