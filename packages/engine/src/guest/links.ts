import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted, unlessAborted } from '../abort.ts';
import { inBackground } from '../ports/background.ts';
import type { OpenSession } from '../ports/guest-agent.ts';
import type { Link, Links, OpenOptions } from '../ports/guest-links.ts';
import type { SandboxRecord, Store } from '../ports/store.ts';
import type { Machine, MachineRecord } from '../ports/vmm-driver.ts';

interface Held extends Link {
  readonly channel: number;
}

const leaseWaitMs = 30_000;
const leasePollMs = 20;
const handshakeTimeoutMs = 10_000;

export function createLinks(
  store: Store,
  openSession: OpenSession,
  attach: (record: MachineRecord) => Promise<Machine | null>,
): Links {
  const held = new Map<string, Promise<Held>>();

  const hold = (id: string, link: Held): Held => {
    // A session that ends by itself, because the guest died or another process stopped it, makes room for a new one.
    inBackground(`giving back the channel of a session with ${id}`, async () => {
      await link.agent.closed;
      if ((await held.get(id)?.catch(() => null)) === link) forget(id, link);
    });
    return link;
  };
  const forget = (id: string, link: Held): void => {
    held.delete(id);
    link.machine.release();
    store.releaseLease(id, link.channel);
  };

  const open: Links['open'] = async (machine, options) => {
    const { id } = machine.record;
    const channel = await takeChannel(store, id, machine.record.channels, options.signal);
    try {
      const stream = await connectWithin(machine, channel, options);
      try {
        const agent = await openSession(stream, options);
        return { agent, channel };
      } catch (error) {
        stream.destroy();
        throw error;
      }
    } catch (error) {
      store.releaseLease(id, channel);
      throw error;
    }
  };

  const reach = async (record: SandboxRecord, signal?: AbortSignal): Promise<Held> => {
    const machine = record.machine === null ? null : await attach(record.machine);
    if (machine === null)
      throw new NovaError('sandbox_not_running', `The sandbox ${record.name ?? record.id} is not running.`);
    try {
      return { machine, ...(await open(machine, { signal, timeoutMs: handshakeTimeoutMs, flush: true })) };
    } catch (error) {
      machine.release();
      throw error;
    }
  };

  return {
    open,
    adopt(id, link, channel) {
      const adopted: Held = { ...link, channel };
      held.set(id, Promise.resolve(adopted));
      hold(id, adopted);
    },
    async get(record, signal) {
      const { id } = record;
      const current = held.get(id);
      if (current !== undefined) {
        try {
          return await unlessAborted(current, signal, 'while the guest was connected to');
        } catch (error) {
          // Another caller's abort is not this one's.
          if (!isNovaError(error, 'cancelled') || signal?.aborted === true) throw error;
        }
      }
      const opening = reach(record, signal);
      held.set(id, opening);
      try {
        return hold(id, await opening);
      } catch (error) {
        if (held.get(id) === opening) held.delete(id);
        throw error;
      }
    },
    has: (id) => held.has(id),
    async drop(id) {
      const current = held.get(id);
      if (current === undefined) return;
      held.delete(id);
      const link = await current.catch(() => null);
      if (link === null) return;
      await link.agent.close().catch(() => undefined);
      link.machine.release();
      // A lease that cannot be given back ends with this process, so that the caller's operation need not fail for it.
      inBackground(`giving back a channel of ${id}`, () => store.releaseLease(id, link.channel));
    },
    async closeAll() {
      await Promise.all([...held.keys()].map((id) => this.drop(id)));
    },
  };
}

/** Connects to a channel of the machine within the time limit. */
async function connectWithin(machine: Machine, channel: number, { signal, timeoutMs }: OpenOptions): Promise<Duplex> {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    return await machine.connect(channel, { signal: signal === undefined ? limit : AbortSignal.any([signal, limit]) });
  } catch (error) {
    if (signal?.aborted === true || !limit.aborted) throw error;
    throw new NovaError('guest_unreachable', `The guest has not answered within ${timeoutMs} ms.`, { cause: error });
  }
}

/** Leases a channel that no living process uses. When all are in use, this waits until one is free. */
async function takeChannel(store: Store, id: string, count: number, signal?: AbortSignal): Promise<number> {
  const end = performance.now() + leaseWaitMs;
  for (;;) {
    const channel = store.takeLease(id, count);
    if (channel !== null) return channel;
    if (performance.now() > end) {
      throw new NovaError(
        'channel_busy',
        `All ${count} channels to the sandbox ${id} have been in use for ${leaseWaitMs / 1000} s.`,
      );
    }
    await delay(leasePollMs);
    throwIfAborted(signal, 'while waiting for a channel to the guest');
  }
}
