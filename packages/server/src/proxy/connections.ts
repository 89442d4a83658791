import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { visitorOf } from '../authority/callers.ts';
import type { ServerContext } from '../context.ts';

/**
 * Tracks client connections by sandbox and resets them when the sandbox ends, so that no client waits or takes a part
 * for the whole.
 */
export interface Connections {
  /** Counts a connection as a use of the sandbox until disposed. */
  hold(sandboxId: string, socket: Duplex): Disposable;
}

/** How long the watch for a sandbox's end outlasts its last request: another request often follows soon. */
const lingerMs = 5000;

/**
 * Resets a connection instead of ending it: clients take an end in the middle of a body for a broken body, and a reset
 * for a machine that is gone.
 */
export function reset(connection: Duplex | null): void {
  try {
    if (connection instanceof Socket) connection.resetAndDestroy();
  } catch {
    // Only plain TCP sockets can be reset. TLS sockets and Unix sockets cannot.
  }
  connection?.destroy();
}

interface Watched {
  /** The number of requests in progress on each connection. */
  readonly sockets: Map<Duplex, number>;
  readonly stop: AbortController;
  linger: NodeJS.Timeout | undefined;
}

export function createConnections({ viewOf, activity, log }: ServerContext): Connections {
  const live = new Map<string, Watched>();

  const watch = (id: string): Watched => {
    const watched: Watched = { sockets: new Map(), stop: new AbortController(), linger: undefined };
    live.set(id, watched);
    const over = (): void => {
      clearTimeout(watched.linger);
      if (live.get(id) === watched) live.delete(id);
    };
    const { engine } = viewOf(visitorOf(id, 'ports'));
    engine.sandboxes.exited(id, { signal: watched.stop.signal }).then(
      () => {
        over();
        for (const socket of watched.sockets.keys()) reset(socket);
      },
      (error: unknown) => {
        over();
        if (!watched.stop.signal.aborted) log.debug({ err: error, vm: id }, 'the end of a sandbox cannot be watched');
      },
    );
    return watched;
  };

  return {
    hold(sandboxId, socket) {
      const busy = activity.busy(sandboxId);
      const watched = live.get(sandboxId) ?? watch(sandboxId);
      clearTimeout(watched.linger);
      const { sockets } = watched;
      sockets.set(socket, (sockets.get(socket) ?? 0) + 1);
      let held = true;
      return {
        [Symbol.dispose]: () => {
          if (!held) return;
          held = false;
          busy[Symbol.dispose]();
          const count = (sockets.get(socket) ?? 1) - 1;
          if (count > 0) sockets.set(socket, count);
          else sockets.delete(socket);
          if (sockets.size > 0 || live.get(sandboxId) !== watched) return;
          watched.linger = setTimeout(() => {
            live.delete(sandboxId);
            watched.stop.abort();
          }, lingerMs);
          watched.linger.unref();
        },
      };
    },
  };
}
