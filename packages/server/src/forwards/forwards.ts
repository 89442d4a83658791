import { randomBytes } from 'node:crypto';
import { inBackground, type Engine } from '@novasandbox/engine';
import { NovaError } from '@novasandbox/protocol';
import type { Logger } from 'pino';
import type { Roster } from '../observe/roster.ts';
import type { ForwardRow, ServerStore } from '../store/server-store.ts';
import { listenAt, type Listener } from './listener.ts';

/** Ports of the host's loopback that lead into guests, for VMs that have them beside the one of their config. The store keeps them. */
export interface Forwards extends AsyncDisposable {
  list(vmId: string): readonly ForwardState[];
  /** Without `hostPort` any that is free. Throws `port_in_use`. */
  add(vmId: string, to: { readonly guestPort: number; readonly hostPort?: number | undefined }): Promise<ForwardState>;
  /** Its connections end too. Throws `not_found`. */
  remove(vmId: string, id: string): Promise<void>;
  /** The VM has gone. */
  forget(vmId: string): void;
  /** Listens again where it did before the daemon was started anew. One whose port is taken meanwhile stays, and waits for the next start. */
  restore(vmIds: ReadonlySet<string>): Promise<void>;
}

export interface ForwardState extends ForwardRow {
  readonly listening: boolean;
}

export const forwardAddress = '127.0.0.1';
/** Each is a listener of the daemon's own. */
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
    // A network slot leads a port into its VM without listening on it; whoever listens there hears nothing.
    const slot = roster.list().find((info) => info.hostPort === listener.port && info.state === 'running');
    if (slot === undefined) return listener;
    await listener[Symbol.asyncDispose]();
    // Which one is not told: it may be somebody else's.
    throw new NovaError('port_in_use', `host_port: ${listener.port} leads to another VM already.`);
  };

  const drop = async (id: string): Promise<void> => {
    const listener = listeners.get(id);
    listeners.delete(id);
    await listener?.[Symbol.asyncDispose]();
    // After its listener: a store that cannot be written to keeps nobody listening.
    rows.delete(id);
    store.removeForward(id);
  };
  return {
    list: (vmId) => of(vmId).map(stateOf),
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
