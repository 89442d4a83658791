import type { CallOptions, GuestIdentity, GuestInfo, GuestMetrics } from '../ports/guest-agent.ts';
import { DEFAULT_TIMEOUT_MS, call } from './call.ts';
import { invalidArgument } from './errors.ts';
import { methods } from './methods.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';

/** The guest as a whole: what it is, what makes it itself, its clock, its load and its end. */

const MIN_ENTROPY = 32;
const MAX_ENTROPY = 512;
/** How long the guest lets one command of a warm-up run. */
const WARM_COMMAND_MS = 20_000;

/** What the guest says of itself. */
export async function info(session: Session, options?: CallOptions): Promise<GuestInfo> {
  return call(session, methods.info, new RecordWriter(), 'guest', parseInfo, options);
}

/** Resolves when the agent has answered. */
export async function ping(session: Session, options?: CallOptions): Promise<void> {
  await call(session, methods.ping, new RecordWriter(), 'guest', ignore, options);
}

/** Makes a clone itself; fields that are absent are left alone. Entropy has 32 to 512 bytes. */
export async function configure(session: Session, identity: GuestIdentity, options?: CallOptions): Promise<void> {
  const { entropy, network } = identity;
  if (entropy !== undefined && (entropy.length < MIN_ENTROPY || entropy.length > MAX_ENTROPY)) {
    throw invalidArgument(`Entropy has ${MIN_ENTROPY} to ${MAX_ENTROPY} bytes, not ${entropy.length}.`);
  }
  const args = new RecordWriter()
    .bytes(1, entropy)
    .integer(2, identity.wallClockNs)
    .string(3, identity.hostname)
    .string(4, identity.machineId)
    .environment(5, identity.env)
    .integerOrNever(6, identity.deadlineMs)
    .strings(8, identity.hosts)
    .integer(9, identity.processLimit)
    .integer(10, identity.memoryReserveMb)
    .string(11, identity.defaultUser)
    .string(12, identity.defaultCwd)
    .string(13, identity.bootId);
  if (network !== undefined) {
    const record = new RecordWriter().string(1, network.interface).string(2, network.address);
    args.record(7, record.string(3, network.gateway).strings(4, network.dns));
  }
  await call(session, methods.configure, args, 'guest', ignore, options);
}

/** Load and use of the guest, as it tells. */
export async function metrics(session: Session, options?: CallOptions): Promise<GuestMetrics> {
  return call(session, methods.metrics, new RecordWriter(), 'guest', parseMetrics, options);
}

/** Sets the guest's clock, nanoseconds since 1970. */
export async function setClock(session: Session, wallClockNs: bigint, options?: CallOptions): Promise<void> {
  await call(session, methods.clock, new RecordWriter().integer(1, wallClockNs), 'guest', ignore, options);
}

/** Makes the guest fit to be snapshotted: its file systems are synced, on wish trimmed and its caches dropped. */
export async function quiesce(
  session: Session,
  how: { readonly dropCaches: boolean; readonly trim: boolean },
  options?: CallOptions,
): Promise<void> {
  const args = new RecordWriter().flag(1, how.dropCaches).flag(2, how.trim);
  await call(session, methods.quiesce, args, 'guest', ignore, options);
}

/** Sets when the guest powers itself off (ms from now, null: never) or only reads it (undefined). Resolves to what remains. */
export async function deadline(
  session: Session,
  deadlineMs: number | null | undefined,
  options?: CallOptions,
): Promise<number | null> {
  const args = new RecordWriter().integerOrNever(1, deadlineMs);
  return call(session, methods.deadline, args, 'guest', (fields) => fields.integerOrNever(1), options);
}

/** Ends the guest: SIGTERM to all, SIGKILL after `graceMs`, power off. Resolves when the guest has begun. */
export async function shutdown(session: Session, graceMs: number, options?: CallOptions): Promise<void> {
  await call(session, methods.shutdown, new RecordWriter().integer(1, graceMs), 'guest', ignore, options);
}

/** Runs each command once and reads its programs into memory. The default time limit leaves each the 20 s the guest gives it. */
export async function warm(
  session: Session,
  commands: readonly (readonly string[])[],
  options?: CallOptions,
): Promise<void> {
  const args = new RecordWriter();
  for (const argv of commands) args.record(1, new RecordWriter().strings(1, argv));
  const timeoutMs = options?.timeoutMs ?? DEFAULT_TIMEOUT_MS + WARM_COMMAND_MS * commands.length;
  await call(session, methods.warm, args, 'exec', ignore, { ...options, timeoutMs });
}

function ignore(): void {}

function parseInfo(fields: Fields): GuestInfo {
  return {
    agentVersion: fields.string(1),
    kernelRelease: fields.string(2),
    hostname: fields.string(3),
    bootId: fields.string(4),
    machineId: fields.string(5),
    pid: fields.integer(6),
    uptimeMs: fields.integer(7),
    arch: fields.string(8),
    wallClockNs: fields.bigint(9),
    rootReadOnly: fields.flag(10),
  };
}

function parseMetrics(fields: Fields): GuestMetrics {
  return {
    cpuCount: fields.integer(1),
    cpuUserUs: fields.integer(2),
    cpuSystemUs: fields.integer(3),
    cpuIdleUs: fields.integer(4),
    memTotalBytes: fields.integer(5),
    memAvailableBytes: fields.integer(6),
    memCacheBytes: fields.integer(7),
    diskTotalBytes: fields.integer(8),
    diskUsedBytes: fields.integer(9),
    processes: fields.integer(10),
    netRxBytes: fields.integer(11),
    netTxBytes: fields.integer(12),
    uptimeMs: fields.integer(13),
    load1: fields.integer(14) / 1000,
    agentRssBytes: fields.integer(15),
    wallClockNs: fields.bigint(16),
    oomKills: fields.integer(17),
  };
}
