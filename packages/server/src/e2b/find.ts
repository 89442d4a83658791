import { isNovaError, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { CallerContext } from '../context.ts';

/** A sandbox that runs or is paused, by its whole id: others are none as far as these clients know. */
export const liveSandbox = (context: CallerContext, id: string): Promise<SandboxInfo> =>
  find(context, id, ({ state }) => state === 'running' || state === 'paused');

/** Also finds an ended sandbox whose removal failed, so that a kill can be repeated. */
export const killable = (context: CallerContext, id: string): Promise<SandboxInfo> =>
  find(context, id, ({ state, ephemeral }) => ephemeral || state === 'running' || state === 'paused');

async function find(
  { engine }: CallerContext,
  id: string,
  counts: (info: SandboxInfo) => boolean,
): Promise<SandboxInfo> {
  try {
    const info = await engine.sandboxes.get(id);
    if (info.id === id && counts(info)) return info;
  } catch (error) {
    if (!isNovaError(error, 'sandbox_not_found')) throw error;
  }
  throw new NovaError('sandbox_not_found', `Sandbox "${id}" not found`);
}
