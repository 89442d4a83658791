import type { Duplex } from 'node:stream';
import type { ServerContext } from '../context.ts';

/** Client connections by sandbox: when a sandbox ends they are cut off, so that nobody waits for it or takes a part for the whole. */
export interface Connections {
  /** Counts a connection as a use of the sandbox until disposed. */
  hold(sandboxId: string, socket: Duplex): Disposable;
}

export function createConnections({ engine, activity, log }: ServerContext): Connections {
  const live = new Map<string, Map<Duplex, number>>();
  const watched = new Map<string, AbortController>();

  const watch = (id: string): void => {
    const stop = new AbortController();
    watched.set(id, stop);
    engine.sandboxes.exited(id, { signal: stop.signal }).then(
      () => {
        watched.delete(id);
        for (const socket of live.get(id)?.keys() ?? []) socket.destroy();
      },
      (error: unknown) => {
        watched.delete(id);
        if (!stop.signal.aborted) log.debug({ err: error, sandbox: id }, 'the end of a sandbox cannot be watched');
      },
    );
  };

  return {
    hold(sandboxId, socket) {
      const busy = activity.busy(sandboxId);
      const sockets = live.get(sandboxId) ?? new Map<Duplex, number>();
      live.set(sandboxId, sockets);
      sockets.set(socket, (sockets.get(socket) ?? 0) + 1);
      if (!watched.has(sandboxId)) watch(sandboxId);
      let held = true;
      return {
        [Symbol.dispose]: () => {
          if (!held) return;
          held = false;
          busy[Symbol.dispose]();
          const count = (sockets.get(socket) ?? 1) - 1;
          if (count > 0) sockets.set(socket, count);
          else sockets.delete(socket);
          if (sockets.size > 0) return;
          live.delete(sandboxId);
          watched.get(sandboxId)?.abort();
          watched.delete(sandboxId);
        },
      };
    },
  };
}
