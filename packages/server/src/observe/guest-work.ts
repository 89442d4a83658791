import type { Engine } from '@novasandbox/engine';
import type { SandboxInfo } from '@novasandbox/protocol';

/*
 * The work of a guest that nobody is attached to: a service that computes, or that others talk to over its own network.
 * Both figures are the guest's own. The CPU time of its VMM does not tell: where the processor is emulated, a guest
 * with two CPUs at rest takes 11 % of one, and a guest that computes on a busy host gets no more than that.
 */

/**
 * The share of one CPU above which a guest computes. A clone at rest stays below 2 % in windows of 5 s and more, by its
 * own account, also on a host with four times as many runnable threads as processors (QEMU 7.2 under TCG, guests of one
 * and two CPUs); a thread that computes takes nearly all of a CPU however busy the host is.
 */
const computingShare = 0.1;
/**
 * Bytes received in a window above which somebody talks to a guest, or it to others. A clone at rest receives nothing.
 * A host that asks for the guest's MAC address sends 42 bytes, and the packets of the smallest request by TCP have 300.
 */
const talkingBytes = 256;

/** The figures of a guest at one moment. */
interface Reading {
  readonly atMs: number;
  /** The run of the machine that it is of. */
  readonly startedAt: string | null;
  readonly cpuUs: number;
  readonly receivedBytes: number;
}

export interface GuestWork {
  /**
   * Whether the guest has worked since it was last looked at; undefined where nobody knows: it was not looked at
   * before, or that is less than `windowMs` ago. False where the guest is a process of this host, whose figures are
   * those of the host.
   *
   * @throws NovaError `guest_unreachable` and others, where the guest does not answer
   */
  hasWorked(info: SandboxInfo, windowMs: number): Promise<boolean | undefined>;
  /** Begins anew with the next look, because it is known otherwise what the guest has done until now. */
  forget(id: string): void;
}

export function createGuestWork(
  { sandboxes }: Pick<Engine, 'sandboxes'>,
  now: () => number = () => performance.now(),
): GuestWork {
  const readings = new Map<string, Reading>();

  const read = async ({ id, startedAt }: SandboxInfo): Promise<Reading> => {
    const { cpuUsageUs, networkRxBytes } = await sandboxes.stats(id);
    return { atMs: now(), startedAt, cpuUs: cpuUsageUs, receivedBytes: networkRxBytes };
  };
  return {
    async hasWorked(info, windowMs) {
      if (info.metadata.bootKind === 'process') return false;
      const before = readings.get(info.id);
      if (before !== undefined && now() - before.atMs < windowMs) return undefined;
      const after = await read(info);
      readings.set(info.id, after);
      return before === undefined || before.startedAt !== after.startedAt ? undefined : worked(before, after);
    },
    forget: (id) => void readings.delete(id),
  };
}

function worked(before: Reading, after: Reading): boolean {
  const computed = (after.cpuUs - before.cpuUs) / 1000 > computingShare * (after.atMs - before.atMs);
  return computed || after.receivedBytes - before.receivedBytes > talkingBytes;
}
