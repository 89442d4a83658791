import { NovaError, type Scope } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { VolumeRecord } from '../ports/store.ts';
import { isAlive } from '../vmm/process-identity.ts';
import { finishRemoval } from './finish-removal.ts';

/** The volume meant by an id, a prefix or a name. */
export async function findVolume(context: EngineContext, ref: string, scope?: Scope): Promise<VolumeRecord> {
  const record = context.store.findVolume(ref, scope);
  if (record !== null && (await settleVolume(context, record))) return record;
  throw new NovaError('volume_not_found', `There is no volume "${ref}".`);
}

/** Whether a volume can be used. Removes what is left of one whose maker has ended half-way. */
export async function settleVolume(context: EngineContext, { id, maker }: VolumeRecord): Promise<boolean> {
  if (maker === null) return true;
  if (!isAlive(maker)) await finishRemoval(context, id);
  return false;
}
