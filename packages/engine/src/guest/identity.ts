import { randomBytes, randomUUID } from 'node:crypto';
import type { GuestIdentity } from '../ports/guest-agent.ts';

const entropyBytes = 64;
/** Memory that the processes of a guest must leave to its kernel and agent. */
export const memoryReserveMb = 24;

export const wallClockNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** Makes the parts of an identity that no two guests may share. */
export function uniqueIdentity(hostname: string): GuestIdentity {
  return {
    entropy: randomBytes(entropyBytes),
    wallClockNs: wallClockNs(),
    hostname,
    machineId: randomBytes(16).toString('hex'),
    bootId: randomUUID(),
    hosts: ['127.0.0.1 localhost', '::1 localhost', `127.0.1.1 ${hostname}`],
  };
}
