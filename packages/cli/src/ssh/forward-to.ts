import { finished } from 'node:stream/promises';
import type { Channel } from 'ssh2';
import type { Guest } from './guest.ts';

/** The names of the guest itself, as the client's `-L` and `-D` give them. */
const ofTheGuest = /^(?:localhost|127(?:\.\d{1,3}){3}|::1|0\.0\.0\.0|::)$/i;

/** Joins a forwarded connection with a port of the guest. Other machines cannot be reached through it. */
export async function forwardTo(
  { engine, sandboxId, gone }: Guest,
  { destIP, destPort }: { readonly destIP: string; readonly destPort: number },
  accept: () => Channel,
  reject: () => void,
): Promise<void> {
  if (!ofTheGuest.test(destIP)) return reject();
  const tunnel = await engine.files.tunnel(sandboxId, destPort, { signal: gone }).catch(() => null);
  if (tunnel === null) return reject();
  if (gone.aborted) return void tunnel.destroy();
  const channel = accept();
  const close = (): void => void tunnel.destroy();
  gone.addEventListener('abort', close, { once: true });
  channel.on('error', close).on('close', close);
  channel.pipe(tunnel).pipe(channel);
  await finished(tunnel).catch(() => undefined);
  gone.removeEventListener('abort', close);
  channel.close();
}
