import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { GuestAgent } from '../ports/guest-agent.ts';

/** A guest sees a device come and go within moments, or never. */
const seenWithinMs = 10_000;
const lookEveryMs = 10;

/**
 * Calls `look` until it finds something in the guest, and returns that. Rejects with `vmm_failed` and the message
 * `otherwise` when it never does, and with `cancelled` on abort.
 */
export async function untilSeen<T>(
  look: () => Promise<T | null>,
  otherwise: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  const end = performance.now() + seenWithinMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > end) throw new NovaError('vmm_failed', otherwise);
    await delay(lookEveryMs, undefined, { signal });
  }
}

/** Longer than any attribute that tells devices apart. */
const attributeBytes = 64;

/**
 * The device below `folder` (`/sys/block`, `/sys/class/net`) whose `attribute` is `value`, or null. The names of
 * devices say nothing: they depend on the order in which the devices were added.
 */
export async function guestDevice(
  agent: GuestAgent,
  folder: string,
  attribute: string,
  value: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  for (const { name } of await agent.list(folder, { depth: 1, user: 'root' }, { signal }))
    if ((await attributeOf(agent, `${folder}/${name}/${attribute}`, signal)) === value) return name;
  return null;
}

async function attributeOf(agent: GuestAgent, path: string, signal: AbortSignal | undefined): Promise<string | null> {
  try {
    await using file = await agent.readFile(path, { length: attributeBytes, user: 'root' }, { signal });
    let read = '';
    for await (const chunk of file.bytes) read += Buffer.from(chunk).toString('latin1');
    return read.trim();
  } catch (error) {
    // A device of another kind has no such attribute, and a device may have gone meanwhile.
    if (isNovaError(error, 'file_not_found')) return null;
    throw error;
  }
}
