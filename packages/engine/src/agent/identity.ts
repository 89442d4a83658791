import { NovaError } from '@novasandbox/protocol';
import type {
  CallOptions,
  ContinuedGuest,
  GuestDisk,
  GuestIdentity,
  GuestInfo,
  GuestMetrics,
} from '../ports/guest-agent.ts';
import { DEFAULT_TIMEOUT_MS, call } from './call.ts';
import { invalidArgument } from './errors.ts';
import { methods, tags } from './numbers.ts';
import { RecordWriter, type Fields } from './record.ts';
import type { Session } from './session.ts';

/** Requests about the guest as a whole: its description, its identity, its clock, its load and its end. */

const MIN_ENTROPY = 32;
const MAX_ENTROPY = 512;
/** How long the guest lets the hooks of a guest that goes on run, with the time to end the last one by force. */
const HOOKS_MS = 33_000;
/** The most disks that a guest may tell about. */
const MAX_DISKS = 64;
/** How long the guest lets one command of a warm-up run. */
const WARM_COMMAND_MS = 20_000;

/** Asks the guest for its description. */
export async function info(session: Session, options?: CallOptions): Promise<GuestInfo> {
  return call(session, methods.info, new RecordWriter(), 'guest', parseInfo, options);
}

/** Resolves when the agent has answered. */
export async function ping(session: Session, options?: CallOptions): Promise<void> {
  await call(session, methods.ping, new RecordWriter(), 'guest', ignore, options);
}

/**
 * Gives a clone its identity; fields that are absent are left alone. Entropy has 32 to 512 bytes. A guest that goes on
 * has to confirm its generation: an agent that does not know the field ignores it. The default time limit leaves its
 * hooks the time that the guest gives them.
 */
export async function configure(session: Session, identity: GuestIdentity, options?: CallOptions): Promise<void> {
  const { entropy, network, continued } = identity;
  if (entropy !== undefined && (entropy.length < MIN_ENTROPY || entropy.length > MAX_ENTROPY)) {
    throw invalidArgument(`Entropy has ${MIN_ENTROPY} to ${MAX_ENTROPY} bytes, not ${entropy.length}.`);
  }
  const args = new RecordWriter()
    .bytes(tags.configure.entropy, entropy)
    .integer(tags.configure.wallClockNs, identity.wallClockNs)
    .string(tags.configure.hostname, identity.hostname)
    .string(tags.configure.machineId, identity.machineId)
    .environment(tags.configure.env, identity.env)
    .integerOrNever(tags.configure.deadlineMs, identity.deadlineMs)
    .strings(tags.configure.hosts, identity.hosts)
    .integer(tags.configure.processLimit, identity.processLimit)
    .integer(tags.configure.memoryReserveMb, identity.memoryReserveMb)
    .string(tags.configure.defaultUser, identity.defaultUser)
    .string(tags.configure.defaultCwd, identity.defaultCwd)
    .string(tags.configure.bootId, identity.bootId);
  if (network !== undefined) {
    const record = new RecordWriter()
      .string(tags.network.interface, network.interface)
      .string(tags.network.address, network.address);
    args.record(
      tags.configure.network,
      record.string(tags.network.gateway, network.gateway).strings(tags.network.dns, network.dns),
    );
  }
  for (const { device, path, readOnly } of identity.volumes ?? []) {
    const record = new RecordWriter().string(tags.volume.device, device).string(tags.volume.path, path);
    args.record(tags.configure.volume, record.flag(tags.volume.readOnly, readOnly));
  }
  if (continued !== undefined) args.record(tags.configure.continued, continuedRecord(identity, continued));
  const generation = (fields: Fields): string => fields.string(tags.configureResult.generation);
  const timeoutMs = options?.timeoutMs ?? DEFAULT_TIMEOUT_MS + (continued === undefined ? 0 : HOOKS_MS);
  const confirmed = await call(session, methods.configure, args, 'guest', generation, { ...options, timeoutMs });
  if (continued !== undefined && confirmed !== continued.generation) {
    throw new NovaError('not_implemented', 'The agent in this guest cannot go on from a snapshot of a running guest.', {
      hint: 'The guest was booted with the agent of an earlier release: start the sandbox again, then take the snapshot.',
    });
  }
}

const nameInGuest = /^[A-Za-z0-9._-]{1,64}$/;

function continuedRecord({ entropy }: GuestIdentity, continued: ContinuedGuest): RecordWriter {
  const { generation, cutConnections, parentId } = continued;
  if (entropy === undefined) throw invalidArgument('A guest that goes on from a snapshot needs entropy.');
  for (const name of parentId === undefined ? [generation] : [generation, parentId])
    if (!nameInGuest.test(name))
      throw invalidArgument(`${JSON.stringify(name)} is no name of a generation or sandbox.`);
  return new RecordWriter()
    .string(tags.continued.generation, generation)
    .flag(tags.continued.cutConnections, cutConnections)
    .string(tags.continued.parentId, parentId);
}

/** Asks for the load of the guest, as the guest tells it. */
export async function metrics(session: Session, options?: CallOptions): Promise<GuestMetrics> {
  return call(session, methods.metrics, new RecordWriter(), 'guest', parseMetrics, options);
}

/** Sets the clock of the guest, in nanoseconds since 1970. */
export async function setClock(session: Session, wallClockNs: bigint, options?: CallOptions): Promise<void> {
  await call(
    session,
    methods.clock,
    new RecordWriter().integer(tags.clock.wallClockNs, wallClockNs),
    'guest',
    ignore,
    options,
  );
}

/** Makes the guest fit to be snapshotted: syncs its file systems, and on request trims them and drops its caches. */
export async function quiesce(
  session: Session,
  how: { readonly dropCaches: boolean; readonly trim: boolean },
  options?: CallOptions,
): Promise<void> {
  const args = new RecordWriter().flag(tags.quiesce.dropCaches, how.dropCaches).flag(tags.quiesce.trim, how.trim);
  await call(session, methods.quiesce, args, 'guest', ignore, options);
}

/** Grows the file system of a disk to the size that the disk has got. Resolves to the size of the file system. */
export async function grow(session: Session, path: string, bytes: number, options?: CallOptions): Promise<number> {
  const args = new RecordWriter().string(tags.grow.path, path).integer(tags.grow.bytes, bytes);
  const sizeOf = (fields: Fields): number => fields.integer(tags.growResult.totalBytes);
  return call(session, methods.grow, args, 'guest', sizeOf, options);
}

/**
 * Sets when the guest powers itself off (ms from now, null for never), or only reads it (undefined). Resolves to the
 * time that remains.
 */
export async function deadline(
  session: Session,
  deadlineMs: number | null | undefined,
  options?: CallOptions,
): Promise<number | null> {
  const args = new RecordWriter().integerOrNever(tags.deadline.deadlineMs, deadlineMs);
  return call(
    session,
    methods.deadline,
    args,
    'guest',
    (fields) => fields.integerOrNever(tags.deadlineResult.remainingMs),
    options,
  );
}

/**
 * Ends the guest: SIGTERM to all processes, SIGKILL after `graceMs`, then power off. Resolves when the guest has
 * begun.
 */
export async function shutdown(session: Session, graceMs: number, options?: CallOptions): Promise<void> {
  await call(
    session,
    methods.shutdown,
    new RecordWriter().integer(tags.shutdown.graceMs, graceMs),
    'guest',
    ignore,
    options,
  );
}

/**
 * Runs each command once and reads its programs into memory. The default time limit leaves each command the 20 s that
 * the guest gives it.
 */
export async function warm(
  session: Session,
  commands: readonly (readonly string[])[],
  options?: CallOptions,
): Promise<void> {
  const args = new RecordWriter();
  for (const argv of commands) args.record(tags.warm.argv, new RecordWriter().strings(tags.command.argv, argv));
  const timeoutMs = options?.timeoutMs ?? DEFAULT_TIMEOUT_MS + WARM_COMMAND_MS * commands.length;
  await call(session, methods.warm, args, 'exec', ignore, { ...options, timeoutMs });
}

function ignore(): void {}

function parseInfo(fields: Fields): GuestInfo {
  return {
    agentVersion: fields.string(tags.infoResult.agentVersion),
    kernelRelease: fields.string(tags.infoResult.kernelRelease),
    hostname: fields.string(tags.infoResult.hostname),
    bootId: fields.string(tags.infoResult.bootId),
    machineId: fields.string(tags.infoResult.machineId),
    pid: fields.integer(tags.infoResult.pid),
    uptimeMs: fields.integer(tags.infoResult.uptimeMs),
    arch: fields.string(tags.infoResult.arch),
    wallClockNs: fields.bigint(tags.infoResult.wallClockNs),
    rootReadOnly: fields.flag(tags.infoResult.rootReadOnly),
  };
}

function parseMetrics(fields: Fields): GuestMetrics {
  return {
    cpuCount: fields.integer(tags.metricsResult.cpuCount),
    cpuUserUs: fields.integer(tags.metricsResult.cpuUserUs),
    cpuSystemUs: fields.integer(tags.metricsResult.cpuSystemUs),
    cpuIdleUs: fields.integer(tags.metricsResult.cpuIdleUs),
    memTotalBytes: fields.integer(tags.metricsResult.memTotalBytes),
    memAvailableBytes: fields.integer(tags.metricsResult.memAvailableBytes),
    memCacheBytes: fields.integer(tags.metricsResult.memCacheBytes),
    diskTotalBytes: fields.integer(tags.metricsResult.diskTotalBytes),
    diskUsedBytes: fields.integer(tags.metricsResult.diskUsedBytes),
    processes: fields.integer(tags.metricsResult.processes),
    netRxBytes: fields.integer(tags.metricsResult.netRxBytes),
    netTxBytes: fields.integer(tags.metricsResult.netTxBytes),
    uptimeMs: fields.integer(tags.metricsResult.uptimeMs),
    load1: fields.integer(tags.metricsResult.load1Milli) / 1000,
    agentRssBytes: fields.integer(tags.metricsResult.agentRssBytes),
    wallClockNs: fields.bigint(tags.metricsResult.wallClockNs),
    oomKills: fields.integer(tags.metricsResult.oomKills),
    disks: fields.records(tags.metricsResult.disk, MAX_DISKS).map(parseDisk),
  };
}

function parseDisk(fields: Fields): GuestDisk {
  return {
    path: fields.string(tags.disk.path),
    totalBytes: fields.integer(tags.disk.totalBytes),
    freeBytes: fields.integer(tags.disk.freeBytes),
    freeInodes: fields.integer(tags.disk.freeInodes),
  };
}
