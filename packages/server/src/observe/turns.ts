import { setImmediate } from 'node:timers/promises';

/**
 * Waits until the event loop has read its sockets, because the client may just have disconnected. Data that waits in
 * the kernel is read in the turn after this one.
 */
export async function turns(): Promise<void> {
  await setImmediate();
  await setImmediate();
}
