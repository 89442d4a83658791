import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { waitForEnd } from '../vmm/terminate.ts';
import { settle } from './reconcile.ts';

/** How long after its guest has fallen silent the end of a VMM may take to show, ms. */
const endShowsWithinMs = 1000;

/**
 * The error of a call that lost its guest. Where the sandbox was stopped or removed during the call, that is the reason,
 * and the guest is not at fault.
 */
export async function explainLostGuest(
  context: EngineContext,
  { method, ref }: { readonly method: string; readonly ref: string },
  error: NovaError,
): Promise<NovaError> {
  // A start that fails ends itself what it has started.
  if (method === 'start' || !isNovaError(error, 'guest_unreachable', 'vmm_failed')) return error;
  const record = context.store.findSandbox(ref);
  if (record === null)
    return new NovaError('sandbox_not_found', `The sandbox "${ref}" was removed meanwhile.`, { cause: error });
  const ends = (): NovaError =>
    new NovaError('sandbox_not_running', `The sandbox ${record.name ?? record.id} was stopped meanwhile.`, {
      cause: error,
    });
  if (context.ending.has(record.id)) return ends();
  if (record.machine !== null) await waitForEnd(record.machine, endShowsWithinMs);
  const current = await settle(context, record);
  return current === null || current.state === 'stopped' || current.state === 'failed' ? ends() : error;
}
