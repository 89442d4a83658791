import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { socketPath } from '../../../layout.ts';
import type { MachineRecord, MachineSpec } from '../../../ports/vmm-driver.ts';
import { connectUnixSocket } from '../../../vmm/unix-socket.ts';
import { channelSocket } from '../config.ts';
import type { QmpClient } from '../qmp.ts';

/** File of a snapshot that lists the channels on which a host was connected when it was taken. */
const channelsFile = 'channels';
const channelsSchema = z.array(z.int().nonnegative());

/**
 * The channels on which a host is connected. QEMU's virtio-serial keeps output for a host that does not read, and waits
 * for that host. A child has the output, and waits too, but nobody is connected: it would take nothing more from the
 * guest, not even for the next host, until one has come and gone.
 */
export async function connectedChannels(qmp: QmpClient, { channels }: MachineRecord): Promise<number[]> {
  const devices = await qmp.execute<readonly { readonly label: string; readonly filename: string }[]>('query-chardev');
  const connected = devices.filter(({ filename }) => !filename.startsWith('disconnected:')).map(({ label }) => label);
  const numbers = Array.from({ length: channels }, (_, channel) => channel);
  return numbers.filter((channel) => connected.includes(channelSocket(channel)));
}

/** Notes those channels in a snapshot. Templates have none, and no such file, so that clones are spared the work. */
export const noteChannels = (directory: string, channels: readonly number[]): Promise<void> =>
  writeFile(join(directory, channelsFile), JSON.stringify(channels), { flag: 'wx', mode: 0o400 });

/** Connects once to each of the channels that a snapshot lists, and leaves: QEMU throws away what waits there. */
export async function freeChannels(
  spec: Pick<MachineSpec, 'channels' | 'socketDirectory'>,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const text = await readFile(join(directory, channelsFile), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '[]';
    throw error;
  });
  const list = channelsSchema.parse(JSON.parse(text)).filter((channel) => channel < spec.channels);
  // A later connection waits until QEMU has seen the end of this one.
  for (const channel of list)
    (await connectUnixSocket(socketPath(spec.socketDirectory, channelSocket(channel)), signal)).destroy();
}
