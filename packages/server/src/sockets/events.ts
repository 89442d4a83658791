import { inBackground } from '@novasandbox/engine';
import type { View } from '../context.ts';
import type { MessageSocket } from './message-socket.ts';

/** One event a message, until the client leaves. */
export async function eventsSocket(
  events: View['events'],
  filter: { readonly vmId?: string; readonly since?: number | undefined },
  socket: MessageSocket,
): Promise<void> {
  // What the client sends is read, so that its leaving is seen, and means nothing.
  inBackground('reading what means nothing', async () => {
    for await (const _ of socket.messages);
  });
  for await (const event of events(filter, socket.signal)) await socket.sendText(event);
}
