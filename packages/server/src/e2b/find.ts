import { isNovaError, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { CallerContext } from '../context.ts';

/** A sandbox that runs or is paused, by its whole id: others are none as far as these clients know. */
export async function liveSandbox({ engine }: CallerContext, id: string): Promise<SandboxInfo> {
  try {
    const info = await engine.sandboxes.get(id);
    if (info.id === id && (info.state === 'running' || info.state === 'paused')) return info;
  } catch (error) {
    if (!isNovaError(error, 'sandbox_not_found')) throw error;
  }
  throw new NovaError('sandbox_not_found', `Sandbox "${id}" not found`);
}
