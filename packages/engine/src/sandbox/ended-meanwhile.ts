import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { waitForEnd } from '../vmm/terminate.ts';
import { settle } from './reconcile.ts';

/** Calls that end the machine themselves: a start that fails ends the machine that it has started. */
const endsItself: readonly string[] = ['start', 'stop', 'remove'];

/** The end of a VMM may become visible this long after its guest has fallen silent, ms. */
const endShowsWithinMs = 1000;

/**
 * Finds the reason why a call lost its guest. Where the sandbox was stopped or removed during the call, the error says
 * so, and does not blame the guest.
 */
export async function explainLostGuest(
  context: EngineContext,
  { method, ref }: { readonly method: string; readonly ref: string },
  error: NovaError,
): Promise<NovaError> {
  if (endsItself.includes(method) || !isNovaError(error, 'guest_unreachable', 'vmm_failed')) return error;
  const record = context.store.findSandbox(ref);
  if (record === null)
    return new NovaError('sandbox_not_found', `The sandbox "${ref}" was removed meanwhile.`, { cause: error });
  const ends = (): NovaError =>
    new NovaError('sandbox_not_running', `The sandbox ${record.name ?? record.id} was stopped meanwhile.`, {
      cause: error,
    });
  if (record.state === 'stopping') return ends();
  if (record.machine !== null) await waitForEnd(record.machine, endShowsWithinMs);
  const current = await settle(context, record);
  return current === null || current.state === 'stopped' || current.state === 'failed' ? ends() : error;
}
