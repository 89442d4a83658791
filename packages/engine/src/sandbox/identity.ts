import { randomBytes, randomUUID } from 'node:crypto';
import type { GuestIdentity } from '../ports/guest-agent.ts';
import type { SandboxRecord } from '../ports/store.ts';

const entropyBytes = 64;
/** Memory that processes of a guest must leave to its kernel and agent, MiB. */
export const memoryReserve = 24;

export const wallClockNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

/**
 * Everything that tells one clone from another. Sent before anything of a tenant runs; a sandbox whose agent does not accept it is not
 * handed out.
 */
export function identityOf(
  record: SandboxRecord,
  user: string | undefined,
  deadlineMs: number | null,
  templateEnv: Readonly<Record<string, string>>,
): GuestIdentity {
  const defaultUser = record.config.user ?? user;
  return {
    ...uniqueIdentity(hostnameOf(record)),
    env: { ...templateEnv, NOVA_SANDBOX: 'true', NOVA_SANDBOX_ID: record.id, ...record.config.env },
    deadlineMs,
    processLimit: record.config.maxProcesses,
    memoryReserveMb: memoryReserve,
    ...(defaultUser === undefined ? {} : { defaultUser }),
  };
}

/** What no two guests may share. */
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

/** Names may hold what host names may not. */
function hostnameOf(record: SandboxRecord): string {
  const name = record.name ?? record.id;
  return (
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 63) || record.id
  );
}
