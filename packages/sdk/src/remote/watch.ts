import { NovaError, type Change } from '@novasandbox/protocol';
import { watchServerMessageSchema } from '@novasandbox/protocol/api';
import { RemoteInbox } from './inbox.ts';
import { cancelled, errorOfWire } from './remote-error.ts';
import type { OpenSocket, SocketListener } from './socket.ts';
import { withResolvers } from '../with-resolvers.ts';

const changeBytes = 256;

/** Watches changes below a directory; resolves when the watch is active. */
export async function openRemoteWatch(
  openSocket: OpenSocket,
  ref: string,
  path: string,
  { recursive = false, user }: { readonly recursive?: boolean; readonly user?: string | undefined },
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Change> & AsyncDisposable> {
  const standing = withResolvers<void>();
  standing.promise.catch(() => undefined);
  const made: { changes?: RemoteInbox<Change> } = {};
  const query = { path, recursive, user };
  const socket = await openSocket('watchFiles', { id: ref }, { query, signal }, (opening): SocketListener => {
    const changes = new RemoteInbox<Change>({
      sizeOf: ({ name }) => changeBytes + name.length,
      pause: () => opening.pause(),
      resume: () => opening.resume(),
      abandon: () => void opening.close(),
    });
    made.changes = changes;
    const fail = (error: NovaError): void => {
      standing.reject(error);
      changes.end(error);
    };
    return {
      message(value) {
        const message = watchServerMessageSchema.parse(value);
        if (message.type === 'watching') standing.resolve();
        else if (message.type === 'change') changes.push(message.change);
        else fail(errorOfWire(message));
      },
      bytes: () => undefined,
      over: (error) => fail(error ?? new NovaError('server_unreachable', 'The daemon ended the watch.')),
    };
  });
  const changes = made.changes as RemoteInbox<Change>;
  const abort = (): void => {
    standing.reject(cancelled(signal));
    changes.end(cancelled(signal));
    void socket.close();
  };
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted === true) abort();
  try {
    await standing.promise;
    return changes;
  } catch (error) {
    void socket.close();
    throw error;
  }
}
