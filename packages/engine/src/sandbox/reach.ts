import { setTimeout as delay } from 'node:timers/promises';
import { NovaError } from '@novasandbox/protocol';
import { within } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { Link } from '../ports/guest-links.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { whenEnded } from './end.ts';
import { connectTo, findSandbox } from './find.ts';
import { isAsleep } from './kept-memory.ts';
import { resumeSandbox } from './pause.ts';
import { settle } from './reconcile.ts';
import { wakeSandbox } from './wake.ts';

/** How long a request waits until the sandbox that it wakes answers, ms. */
const awakeWithinMs = 60_000;
const lookEveryMs = 20;

/** The sandbox with a session with its agent, for a request that may wake it. */
export async function reachAgent(
  context: EngineContext,
  ref: string,
  signal?: AbortSignal,
): Promise<Link & { readonly record: SandboxRecord }> {
  return connectTo(context, await wakeForRequest(context, ref, signal), signal);
}

/**
 * The sandbox meant, which a request wants to reach: one that was made to be woken by requests goes on where it was
 * paused or hibernated. All requests that come meanwhile share one waking.
 *
 * @throws NovaError `boot_timeout` when that takes too long; the waking then goes on
 */
export async function wakeForRequest(
  context: EngineContext,
  ref: string,
  signal?: AbortSignal,
): Promise<SandboxRecord> {
  const found = await findSandbox(context, ref);
  if (!found.config.autoResume || isReachable(found)) return found;
  const name = found.name ?? found.id;
  const late = (): NovaError =>
    new NovaError('boot_timeout', `The sandbox ${name} has not gone on within ${awakeWithinMs} ms.`, {
      hint: 'Ask again: it is still being woken.',
    });
  return within(awakeWithinMs, signal, late, (limited) => untilReachable(context, found, limited));
}

const isReachable = ({ state, holder }: SandboxRecord): boolean => state === 'running' && holder === null;

async function untilReachable(
  context: EngineContext,
  record: SandboxRecord,
  signal: AbortSignal,
): Promise<SandboxRecord> {
  let current = record;
  for (;;) {
    if (isReachable(current)) return current;
    const { id, state, sleep } = current;
    if (isAsleep(current)) {
      // From its disk alone it would boot: its programs would not be there for the request.
      if (sleep?.memory !== true) return current;
      return wakeSandbox(context, current, { signal });
    }
    if (state === 'paused') await resumeSandbox(context, id, { signal });
    else if (state === 'stopping' && sleep !== null) await whenEnded(context, id);
    // The guest stands still for a moment, and may be hibernated after it.
    else if (state === 'running') await pauseBetweenLooks(signal);
    else return current;
    const found = context.store.findSandbox(id);
    const settled = found === null ? null : await settle(context, found);
    if (settled === null) throw new NovaError('sandbox_not_found', `The sandbox ${id} was removed meanwhile.`);
    current = settled;
  }
}

async function pauseBetweenLooks(signal: AbortSignal): Promise<void> {
  try {
    await delay(lookEveryMs, undefined, { signal });
  } catch (error) {
    throw new NovaError('cancelled', 'Cancelled while the sandbox stood still.', { cause: error });
  }
}
