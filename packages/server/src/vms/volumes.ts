import { isNovaError } from '@novasandbox/protocol';
import { volumeWireOf } from '@novasandbox/protocol/api';
import { system } from '../authority/callers.ts';
import type { RouteContext } from '../daemon-context.ts';

/** The volume that a request has made which was interrupted before it was answered; null where it has made none. */
export async function volumeOfInterrupted(
  { viewOf }: RouteContext,
  id: string,
): Promise<ReturnType<typeof volumeWireOf> | null> {
  try {
    // The caller may make volumes, and need not be allowed to read them.
    return volumeWireOf(await viewOf(system).engine.volumes.get(id));
  } catch (error) {
    if (isNovaError(error, 'volume_not_found')) return null;
    throw error;
  }
}
