import { NovaError, type Change } from '@novasandbox/protocol';
import type { CallOptions } from '../ports/guest-agent.ts';
import { DEFAULT_TIMEOUT_MS, Limits, openLimited } from './call.ts';
import { cancelled, protocolError } from './errors.ts';
import { Inbox } from './inbox.ts';
import { changeKinds, messages, methods, shortages, tags } from './numbers.ts';
import { RecordWriter } from './record.ts';
import type { Session } from './session.ts';
import type { StreamHandler } from './stream-handler.ts';

/** How many changes may wait for a slow reader: messages have no credit, so the guest could send any number of them. */
const MAX_WAITING = 16_384;
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const kindNames: ReadonlyMap<number, Change['kind']> = new Map(
  (['create', 'write', 'remove', 'rename', 'chmod'] as const).map((kind) => [changeKinds[kind], kind]),
);

/**
 * Watches a directory. Resolves when the watch is in place. It yields the changes from then on. It ends when the caller
 * leaves the iteration or the directory has gone. It fails with `guest_resource_exhausted`, after the earlier changes,
 * when a change was missed because changes came too fast or the guest has reached its limit of watches. The time limit
 * (default 30 s) is that of the start; the signal counts until the end. Rejects with `file_not_found` and
 * `not_a_directory`.
 */
export async function watch(
  session: Session,
  path: string,
  how: { readonly recursive?: boolean; readonly user?: string | undefined },
  options?: CallOptions,
): Promise<AsyncIterable<Change> & AsyncDisposable> {
  const args = new RecordWriter()
    .string(tags.watch.path, path)
    .flag(tags.watch.recursive, how.recursive)
    .string(tags.watch.user, how.user);
  const stands = Promise.withResolvers<void>();
  let waiting: Change[] = [];
  let waitingBytes = 0;
  const leave = (error: NovaError): void => {
    waiting = [];
    stream.abandon(error);
  };
  const limits = new Limits(options, DEFAULT_TIMEOUT_MS, leave);
  const changes = new Inbox<Change>(
    () => {
      const change = waiting.shift();
      if (change !== undefined) waitingBytes -= change.name.length;
      return change;
    },
    () => leave(cancelled()),
  );
  const handler: StreamHandler = {
    message: (type, fields) => {
      if (type === messages.watching) {
        limits.settled();
        stands.resolve();
      } else if (type === messages.overflow)
        stream.abandon(incomplete(path, fields.integer(tags.overflow.cause), fields.integer(tags.overflow.limit)));
      else if (type === messages.change) {
        const kind = kindNames.get(fields.integer(tags.change.kind));
        if (kind === undefined) return;
        const name = fields.string(tags.change.name);
        waitingBytes += name.length;
        if (waiting.length >= MAX_WAITING || waitingBytes > MAX_WAITING_BYTES) stream.abandon(changesLost(path));
        else {
          waiting.push({ kind, name });
          changes.wake();
        }
      }
    },
    result: () => {
      limits.release();
      stands.reject(protocolError('a watch ended before it stood'));
      changes.end(null);
    },
    failed: (error) => {
      limits.release();
      stands.reject(error);
      if (error.code === 'cancelled') changes.discard();
      changes.end(error);
    },
  };
  const stream = openLimited(limits, () => session.open(methods.watch, args, 'file', handler));
  await stands.promise;
  return changes;
}

/** Says why the guest cannot see everything, by the cause that it gave. */
function incomplete(path: string, cause: number, limit: number): NovaError {
  const shortage = descriptions[cause];
  if (shortage === undefined) return changesLost(path);
  const { what, hint } = shortage;
  return new NovaError('guest_resource_exhausted', `${path} cannot be watched whole: ${what} (${limit}) is reached.`, {
    hint,
    details: { limit },
  });
}

const descriptions: Readonly<Record<number, { readonly what: string; readonly hint: string }>> = {
  [shortages.watches]: {
    what: "the guest's limit of inotify watches",
    hint: 'Raise fs.inotify.max_user_watches in the guest with sysctl, end other watches there, or watch a smaller folder.',
  },
  [shortages.folders]: {
    what: 'the limit of folders in one watch',
    hint: 'Watch parts of the tree, each by itself.',
  },
  [shortages.instances]: {
    what: "the guest's limit of inotify instances",
    hint: 'Raise fs.inotify.max_user_instances in the guest with sysctl, or end watches there.',
  },
};

function changesLost(path: string): NovaError {
  return new NovaError('guest_resource_exhausted', `Changes below ${path} were lost: there were too many at once.`, {
    hint: 'List the directory, then watch again; read the changes faster.',
  });
}
