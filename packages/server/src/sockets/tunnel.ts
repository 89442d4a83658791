import type { Duplex } from 'node:stream';
import { once } from 'node:events';
import type { Services } from '../context.ts';
import type { MessageSocket } from './message-socket.ts';

/** Passes bytes in both directions. A text message `{"type":"end"}` from the client ends only its own direction. */
export async function tunnelSocket(engine: Services, ref: string, port: number, socket: MessageSocket): Promise<void> {
  const stream: Duplex = await engine.files.tunnel(ref, port, { signal: socket.signal });
  stream.on('error', () => undefined);
  const leave = (): void => void stream.destroy();
  socket.signal.addEventListener('abort', leave, { once: true });
  if (socket.signal.aborted) leave();
  const input = async (): Promise<void> => {
    for await (const message of socket.messages) {
      if (stream.writableEnded || stream.destroyed) continue;
      if ('text' in message) stream.end();
      else if (!stream.write(message.bytes)) await Promise.race([once(stream, 'drain'), once(stream, 'close')]);
    }
  };
  void input().catch(leave);
  try {
    await socket.sendText({ type: 'open' });
    for await (const chunk of stream) await socket.sendBytes(chunk as Uint8Array);
  } finally {
    stream.destroy();
  }
}
