import { create } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { posix } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Change } from '@novasandbox/protocol';
import {
  EventType,
  FilesystemEventSchema,
  WatchDirResponseSchema,
  type FilesystemEvent,
  type WatchDirResponse,
} from '../gen/filesystem_pb.js';
import { keepaliveMs, keptAlive } from '../keepalive.ts';
import { pathOf, type Scope } from '../scope.ts';
import { entryInfo } from './entry.ts';

const types: Readonly<Record<Change['kind'], EventType>> = {
  create: EventType.CREATE,
  write: EventType.WRITE,
  remove: EventType.REMOVE,
  rename: EventType.RENAME,
  chmod: EventType.CHMOD,
};

export interface WatchRequest {
  readonly path: string;
  readonly recursive: boolean;
  readonly includeEntry: boolean;
}

export interface Watch {
  readonly events: AsyncIterable<FilesystemEvent>;
  readonly close: () => Promise<void>;
  /** Resolves when the reader of `events` has taken everything that the guest has sent so far. */
  readonly taken: () => Promise<void>;
}

/** Opens a watch. Once it has resolved, every change is reported. */
export async function openWatch(scope: Scope, request: WatchRequest, signal?: AbortSignal): Promise<Watch> {
  const { recursive, includeEntry } = request;
  const { files } = scope.context.engine;
  const path = pathOf(request.path);
  const changes = await files.watch(scope.info.id, path, { recursive, user: scope.user }, { signal });
  const told = async ({ kind, name }: Change): Promise<FilesystemEvent> => {
    const event = create(FilesystemEventSchema, { name, type: types[kind] });
    if (!includeEntry || kind === 'remove' || kind === 'rename') return event;
    // The file may be gone already.
    const entry = await files.stat(scope.info.id, posix.join(path, name), scope.user).catch(() => null);
    return entry === null ? event : create(FilesystemEventSchema, { ...event, entry: await entryInfo(scope, entry) });
  };
  // Whether the reader waits for the guest, and is not still handling an earlier change.
  let waits = false;
  let over = false;
  const events = async function* (): AsyncGenerator<FilesystemEvent> {
    const each = changes[Symbol.asyncIterator]();
    try {
      for (;;) {
        waits = true;
        const step = await each.next();
        waits = false;
        if (step.done === true) return;
        yield await told(step.value);
      }
    } finally {
      over = true;
    }
  };
  return {
    events: events(),
    taken: async () => {
      do await turn();
      while (!waits && !over);
    },
    close: async () => changes[Symbol.asyncDispose](),
  };
}

export async function* watchDirectory(
  scope: Scope,
  request: WatchRequest,
  call: HandlerContext,
): AsyncGenerator<WatchDirResponse> {
  const watch = await openWatch(scope, request, call.signal);
  try {
    yield create(WatchDirResponseSchema, { event: { case: 'start', value: {} } });
    const beat = (): null => null;
    for await (const event of keptAlive<FilesystemEvent | null>(watch.events, keepaliveMs(call.requestHeader), beat)) {
      yield create(
        WatchDirResponseSchema,
        event === null ? { event: { case: 'keepalive', value: {} } } : { event: { case: 'filesystem', value: event } },
      );
    }
  } finally {
    await watch.close();
  }
}
