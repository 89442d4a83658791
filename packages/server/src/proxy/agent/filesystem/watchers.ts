import { randomBytes } from 'node:crypto';
import { Code, ConnectError } from '@connectrpc/connect';
import type { FilesystemEvent } from '../gen/filesystem_pb.js';
import type { Scope } from '../scope.ts';
import { openWatch, type Watch, type WatchRequest } from './watch.ts';

const maxEvents = 10_000;
const maxWatchers = 64;
/** A watcher whose events nobody fetches for this long is removed: its client has gone without removing it. */
const idleMs = 10 * 60_000;

interface Watcher {
  readonly sandboxId: string;
  readonly watch: Watch;
  events: FilesystemEvent[];
  lost: boolean;
  readonly idle: NodeJS.Timeout;
}

export interface Watchers {
  create(scope: Scope, request: WatchRequest): Promise<string>;
  /**
   * Returns the events up to the call. The guest is pinged, and all events that it sends before its answer are
   * included.
   */
  take(scope: Scope, id: string): Promise<FilesystemEvent[]>;
  remove(scope: Scope, id: string): Promise<void>;
}

/** Keeps watches and their events between the calls by which clients fetch the events. */
export function createWatchers(): Watchers {
  const watchers = new Map<string, Watcher>();

  const end = async (id: string): Promise<void> => {
    const watcher = watchers.get(id);
    if (watcher === undefined) return;
    watchers.delete(id);
    clearTimeout(watcher.idle);
    await watcher.watch.close();
  };
  const found = (scope: Scope, id: string): Watcher => {
    const watcher = watchers.get(id);
    if (watcher?.sandboxId !== scope.info.id) throw new ConnectError(`watcher with id ${id} not found`, Code.NotFound);
    return watcher;
  };
  const collect = async (id: string, watcher: Watcher): Promise<void> => {
    try {
      for await (const event of watcher.watch.events) {
        if (watcher.events.length < maxEvents) watcher.events.push(event);
        else watcher.lost = true;
      }
    } catch {
      // The watched directory or the sandbox is gone. Earlier events can still be fetched.
    }
    if (watcher.events.length === 0) await end(id);
  };

  return {
    async create(scope, request) {
      const own = [...watchers.values()].filter(({ sandboxId }) => sandboxId === scope.info.id);
      if (own.length >= maxWatchers) throw new ConnectError('too many watchers', Code.ResourceExhausted);
      const watch = await openWatch(scope, request);
      const id = randomBytes(12).toString('hex');
      const idle = setTimeout(() => void end(id).catch(() => undefined), idleMs);
      idle.unref();
      const watcher: Watcher = { sandboxId: scope.info.id, watch, events: [], lost: false, idle };
      watchers.set(id, watcher);
      void collect(id, watcher).catch(() => undefined);
      return id;
    },
    async take(scope, id) {
      const watcher = found(scope, id);
      watcher.idle.refresh();
      // A guest that is gone sends nothing more. Earlier events can still be fetched.
      await scope.context.engine.exec.ping(scope.info.id).catch(() => undefined);
      await watcher.watch.taken();
      const { events, lost } = watcher;
      watcher.events = [];
      watcher.lost = false;
      if (lost) throw new ConnectError(`more than ${maxEvents} events have not been fetched`, Code.ResourceExhausted);
      return events;
    },
    async remove(scope, id) {
      found(scope, id);
      await end(id);
    },
  };
}
