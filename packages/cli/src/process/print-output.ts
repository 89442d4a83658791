import { once } from 'node:events';
import { stderr, stdout } from 'node:process';
import type { OutputChunk } from '@novasandbox/engine';

/**
 * Prints the output of a command on our stdout and stderr, as fast as these take it. After `signal` aborts, the output
 * is read and dropped: to stop reading would detach from the command.
 */
export async function printOutput(output: AsyncIterable<OutputChunk>, signal: AbortSignal): Promise<void> {
  for await (const { channel, bytes } of output) {
    if (!signal.aborted) await write(channel, bytes, signal);
  }
}

/** Prints bytes and resolves when there is room for more. */
export async function write(channel: OutputChunk['channel'], bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const stream = channel === 'stderr' ? stderr : stdout;
  if (stream.write(bytes)) return;
  await once(stream, 'drain', { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
