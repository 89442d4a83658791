import { NovaError } from '@novasandbox/protocol';
import { within } from '../abort.ts';
import type { Machine } from '../ports/vmm-driver.ts';

/**
 * Has a driver start a machine: `start` is given the signal that it has to heed. A VMM that does not answer is not waited for longer than `limitMs`; the driver
 * undoes what it has done. Rejects with `boot_timeout` then.
 */
export function startMachine(
  limitMs: number,
  signal: AbortSignal | undefined,
  start: (signal: AbortSignal) => Promise<Machine>,
): Promise<Machine> {
  const late = (): NovaError =>
    new NovaError('boot_timeout', `The VMM had not started the guest within ${limitMs} ms.`);
  return within(limitMs, signal, late, start);
}
