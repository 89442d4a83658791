import { NovaError, type Change } from '@novasandbox/protocol';
import type { CallOptions } from '../ports/guest-agent.ts';
import { DEFAULT_TIMEOUT_MS, Limits, openLimited } from './call.ts';
import { cancelled, protocolError } from './errors.ts';
import { Inbox } from './inbox.ts';
import { messages, methods } from './methods.ts';
import { RecordWriter } from './record.ts';
import type { Session } from './session.ts';
import type { StreamHandler } from './stream.ts';

/** Changes a slow reader may leave waiting: messages have no credit, so the guest could send them without end. */
const MAX_WAITING = 16_384;
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const changeKinds: Readonly<Record<number, Change['kind']>> = {
  1: 'create',
  2: 'write',
  3: 'remove',
  4: 'rename',
  5: 'chmod',
};

/**
 * Watches a directory. Resolves when the watch stands: what happens from then on is yielded, until the iteration is left, the directory goes
 * (end), or not all of them can be seen: they came too fast, or the guest's limit of watches is reached (`guest_resource_exhausted`, after those
 * that came before). The time limit (default 30 s) is that of the
 * start; the signal counts until the end. Rejects with `file_not_found` and `not_a_directory`.
 */
export async function watch(
  session: Session,
  path: string,
  how: { readonly recursive?: boolean; readonly user?: string | undefined },
  options?: CallOptions,
): Promise<AsyncIterable<Change> & AsyncDisposable> {
  const args = new RecordWriter().string(1, path).flag(2, how.recursive).string(3, how.user);
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
      } else if (type === messages.overflow) stream.abandon(incomplete(path, fields.integer(1), fields.integer(2)));
      else if (type === messages.change) {
        const kind = changeKinds[fields.integer(1)];
        if (kind === undefined) return;
        const name = fields.string(2);
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

/** Why the guest cannot see everything, by the number of guest/PROTOCOL.md. */
function incomplete(path: string, cause: number, limit: number): NovaError {
  const shortage = shortages[cause];
  if (shortage === undefined) return changesLost(path);
  const { what, hint } = shortage;
  return new NovaError('guest_resource_exhausted', `${path} cannot be watched whole: ${what} (${limit}) is reached.`, {
    hint,
    details: { limit },
  });
}

const shortages: Readonly<Record<number, { readonly what: string; readonly hint: string }>> = {
  1: {
    what: "the guest's limit of inotify watches",
    hint: 'Raise fs.inotify.max_user_watches in the guest with sysctl, end other watches there, or watch a smaller folder.',
  },
  2: {
    what: 'the limit of folders in one watch',
    hint: 'Watch parts of the tree, each by itself.',
  },
  3: {
    what: "the guest's limit of inotify instances",
    hint: 'Raise fs.inotify.max_user_instances in the guest with sysctl, or end watches there.',
  },
};

function changesLost(path: string): NovaError {
  return new NovaError('guest_resource_exhausted', `Changes below ${path} were lost: there were too many at once.`, {
    hint: 'List the directory, then watch again; read the changes faster.',
  });
}
