import type { Socket } from 'node:net';
import type { Box } from '../box.ts';

/** A connection of a guest, accepted for the address that the guest wanted. */
export interface Accepted {
  readonly box: Box;
  readonly socket: Socket;
  readonly port: number;
  /** The address that it wanted; null where it is one of ours, which stands for a name. */
  readonly address: string | null;
  /** The name that the guest was given that address for. */
  readonly pinned: string | null;
}
