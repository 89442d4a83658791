import { inBackground } from '@novasandbox/engine';
import type { Services } from '../context.ts';
import type { MessageSocket } from './message-socket.ts';

/** Sends the changes below a directory until the client disconnects. */
export async function watchSocket(
  engine: Services,
  ref: string,
  { path, recursive, user }: { readonly path: string; readonly recursive: boolean; readonly user?: string | undefined },
  socket: MessageSocket,
): Promise<void> {
  inBackground('reading messages that are ignored', async () => {
    for await (const _ of socket.messages);
  });
  const changes = await engine.files.watch(ref, path, { recursive, user }, { signal: socket.signal });
  const leave = (): void => inBackground('ending a watch', () => changes[Symbol.asyncDispose]());
  socket.signal.addEventListener('abort', leave, { once: true });
  try {
    await socket.sendText({ type: 'watching' });
    for await (const change of changes) await socket.sendText({ type: 'change', change });
  } finally {
    leave();
  }
}
