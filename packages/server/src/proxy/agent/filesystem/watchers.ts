import { randomBytes } from 'node:crypto';
import { Code, ConnectError } from '@connectrpc/connect';
import type { FilesystemEvent } from '../gen/filesystem_pb.js';
import type { Scope } from '../scope.ts';
import { openWatch, type Watch, type WatchRequest } from './watch.ts';

const maxEvents = 10_000;
const maxWatchers = 64;
/** A client that has not asked for so long has gone without saying so. */
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
  /** What has happened up to the call: the guest is asked, and what it tells before its answer is waited for. */
  take(scope: Scope, id: string): Promise<FilesystemEvent[]>;
  remove(scope: Scope, id: string): Promise<void>;
}

/** Watches whose events are fetched, kept here between the calls. */
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
      // The watched directory or the sandbox has gone: what was seen before can still be fetched.
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
      // A guest that has gone says nothing more: what was seen before is still there to fetch.
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
