import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { isNovaError } from '@novasandbox/protocol';
import { Filesystem } from '../gen/filesystem_pb.js';
import { streaming, unary } from '../implement.ts';
import { pathOf, type Scope } from '../scope.ts';
import { entryInfo } from './entry.ts';
import { watchDirectory } from './watch.ts';
import { createWatchers } from './watchers.ts';

/** Implements filesystem.Filesystem with the files of the engine. */
export function filesystemService(router: ConnectRouter): void {
  const watchers = createWatchers();

  router.service(Filesystem, {
    stat: unary(async (scope, request) => ({ entry: await stat(scope, pathOf(request.path)) })),

    makeDir: unary(async (scope, request) => {
      const path = pathOf(request.path);
      const { files } = scope.context.engine;
      if (!(await files.makeDirectory(scope.info.id, path, { user: scope.user })))
        throw new ConnectError(`directory already exists: ${path}`, Code.AlreadyExists);
      return { entry: await stat(scope, path) };
    }),

    move: unary(async (scope, request) => {
      const source = pathOf(request.source);
      const destination = pathOf(request.destination);
      const entry = await scope.context.engine.files.move(scope.info.id, source, destination, scope.user);
      return { entry: await entryInfo(scope, entry) };
    }),

    listDir: unary(async (scope, request) => {
      const path = pathOf(request.path);
      const depth = request.depth === 0 ? 1 : request.depth;
      try {
        const entries = await scope.context.engine.files.list(scope.info.id, path, {
          depth,
          user: scope.user,
          xattrs: true,
        });
        return { entries: await Promise.all(entries.map((entry) => entryInfo(scope, entry))) };
      } catch (error) {
        if (isNovaError(error, 'file_not_found')) throw new ConnectError(`path not found: ${path}`, Code.NotFound);
        throw error;
      }
    }),

    remove: unary(async (scope, request) => {
      const path = pathOf(request.path);
      await scope.context.engine.files.remove(scope.info.id, path, scope.user);
      return {};
    }),

    watchDir: streaming((scope, request, call) => watchDirectory(scope, request, call)),
    createWatcher: unary(async (scope, request) => ({ watcherId: await watchers.create(scope, request) })),
    getWatcherEvents: unary(async (scope, { watcherId }) => ({ events: await watchers.take(scope, watcherId) })),
    removeWatcher: unary(async (scope, { watcherId }) => {
      await watchers.remove(scope, watcherId);
      return {};
    }),
  });
}

async function stat(scope: Scope, path: string) {
  try {
    return await entryInfo(scope, await scope.context.engine.files.stat(scope.info.id, path, scope.user));
  } catch (error) {
    if (isNovaError(error, 'file_not_found')) throw new ConnectError(`path not found: ${path}`, Code.NotFound);
    throw error;
  }
}
