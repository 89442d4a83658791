import { inBackground } from '@novasandbox/engine';
import type { View } from '../context.ts';
import type { MessageSocket } from './message-socket.ts';

/** Sends each event as a message until the client disconnects. */
export async function eventsSocket(
  events: View['events'],
  filter: { readonly vmId?: string; readonly since?: number | undefined },
  socket: MessageSocket,
): Promise<void> {
  // Messages of the client are read, so that its disconnection is noticed, and ignored.
  inBackground('reading messages that are ignored', async () => {
    for await (const _ of socket.messages);
  });
  for await (const event of events(filter, socket.signal)) await socket.sendText(event);
}
