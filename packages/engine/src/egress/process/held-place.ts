import { closeSync, fstatSync, openSync } from 'node:fs';
import { NovaError } from '@novasandbox/protocol/errors';
import type { SlotPlace } from '../../ports/egress.ts';

/**
 * How the program that opens listeners finds a slot: one of root's by its number, others by the descriptors with which
 * this process holds their namespaces.
 */
export type HeldAt = number | { readonly user: number; readonly net: number };

/** A slot that is held as long as a sandbox is served in it. */
export interface HeldPlace extends Disposable {
  readonly at: HeldAt;
  /** The same for each process that is in it. */
  readonly name: string;
}

/** @throws NovaError `network_failed` where the process has ended */
export function holdPlace(slot: SlotPlace): HeldPlace {
  if (typeof slot === 'number') return { at: slot, name: String(slot), [Symbol.dispose]: () => undefined };
  const opened: number[] = [];
  const close = (): void => opened.splice(0).forEach((each) => closeSync(each));
  try {
    const [user = 0, net = 0] = ['user', 'net'].map((kind) => {
      const descriptor = openSync(`/proc/${slot.process}/ns/${kind}`, 'r');
      opened.push(descriptor);
      return descriptor;
    });
    return { at: { user, net }, name: `net:${fstatSync(net).ino}`, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw new NovaError('network_failed', 'The process in the slot has ended, or is not of this user.', {
      cause: error,
    });
  }
}
