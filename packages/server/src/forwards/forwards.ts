import { randomBytes } from 'node:crypto';
import { inBackground, type Engine } from '@novasandbox/engine';
import { NovaError } from '@novasandbox/protocol';
import type { Logger } from 'pino';
import type { Roster } from '../observe/roster.ts';
import type { ForwardRow, ServerStore } from '../store/server-store.ts';
import { listenAt, type Listener } from './listener.ts';

/**
 * Forwards ports of the host's loopback into guests, in addition to the port in the config of a VM. The forwards are
 * kept in the store.
 */
export interface Forwards extends AsyncDisposable {
  list(vmId: string): readonly ForwardState[];
  /** Without `hostPort` a free port is chosen. Throws `port_in_use`. */
  add(vmId: string, to: { readonly guestPort: number; readonly hostPort?: number | undefined }): Promise<ForwardState>;
  /** Also ends the connections of the forward. Throws `not_found`. */
  remove(vmId: string, id: string): Promise<void>;
  /** The VM that a port of the host leads to, by a forward or by its config; null where it leads to none. */
  holderOf(hostPort: number): string | null;
  /** Ends all forwards of a removed VM. */
  forget(vmId: string): void;
  /**
   * Listens again on the ports of all stored forwards, after a restart of the daemon. A forward whose port is taken
   * meanwhile stays stored, and is tried again at the next start.
   */
  restore(vmIds: ReadonlySet<string>): Promise<void>;
}

export interface ForwardState extends ForwardRow {
  readonly listening: boolean;
}

export const forwardAddress = '127.0.0.1';
/** Each forward is a listening socket of the daemon. */
const maxPerVm = 64;

export interface ForwardsParts {
  readonly engine: Pick<Engine, 'files'>;
  readonly roster: Pick<Roster, 'list'>;
  readonly store: Pick<ServerStore, 'forwards' | 'putForward' | 'removeForward'>;
  readonly log: Logger;
}

export function createForwards({ engine, roster, store, log }: ForwardsParts): Forwards {
  const rows = new Map(store.forwards().map((row) => [row.id, row]));
  const listeners = new Map<string, Listener>();
  const of = (vmId: string): ForwardRow[] => [...rows.values()].filter((row) => row.vmId === vmId);
  const stateOf = (row: ForwardRow): ForwardState => ({ ...row, listening: listeners.has(row.id) });
  const open = async (vmId: string, guestPort: number, hostPort: number): Promise<Listener> => {
    const listener = await listenAt(forwardAddress, hostPort, () => engine.files.tunnel(vmId, guestPort));
    // A network slot redirects its port into a VM without listening on it: our listener would get no connections.
    const slot = roster.list().find((info) => info.hostPort === listener.port && info.state === 'running');
    if (slot === undefined) return listener;
    await listener[Symbol.asyncDispose]();
    // The message does not name the VM, which may belong to another user.
    throw new NovaError('port_in_use', `host_port: ${listener.port} leads to another VM already.`);
  };

  const drop = async (id: string): Promise<void> => {
    const listener = listeners.get(id);
    listeners.delete(id);
    await listener?.[Symbol.asyncDispose]();
    // The listener is closed first, so that a failing store cannot keep the port open.
    rows.delete(id);
    store.removeForward(id);
  };
  return {
    list: (vmId) => of(vmId).map(stateOf),
    holderOf: (hostPort) =>
      [...rows.values()].find((row) => row.hostPort === hostPort)?.vmId ??
      roster.list().find((info) => info.hostPort === hostPort && info.state === 'running')?.id ??
      null,
    async add(vmId, { guestPort, hostPort = 0 }) {
      if (of(vmId).length >= maxPerVm) {
        throw new NovaError('conflict', `The VM has ${maxPerVm} forwarded ports already.`, {
          hint: 'End one that is not needed.',
        });
      }
      const id = randomBytes(6).toString('hex');
      const listener = await open(vmId, guestPort, hostPort);
      const row = { id, vmId, hostPort: listener.port, guestPort };
      listeners.set(id, listener);
      rows.set(id, row);
      store.putForward(row);
      return stateOf(row);
    },
    async remove(vmId, id) {
      if (rows.get(id)?.vmId !== vmId) throw new NovaError('not_found', `The VM has no forward "${id}".`);
      await drop(id);
    },
    forget(vmId) {
      for (const { id } of of(vmId)) inBackground(`ending the forward ${id}`, () => drop(id));
    },
    async restore(vmIds) {
      for (const { id, vmId, guestPort, hostPort } of rows.values()) {
        if (!vmIds.has(vmId)) inBackground(`forgetting the forward ${id}`, () => drop(id));
        else {
          await open(vmId, guestPort, hostPort).then(
            (listener) => listeners.set(id, listener),
            (error: unknown) =>
              log.warn({ operation: 'restoreForward', vm: vmId, err: error }, 'a port is not forwarded'),
          );
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...listeners.values()].map((listener) => listener[Symbol.asyncDispose]()));
    },
  };
}
