import { once } from 'node:events';
import { stderr, stdin, stdout } from 'node:process';
import type { AttachedProcess } from '@novasandbox/engine';
import type { Exit } from '@novasandbox/protocol';
import type { Interrupts } from './interrupts.ts';
import { pumpStdin } from './stdin-pump.ts';
import { followSize, rawMode } from './terminal.ts';

export interface StreamOptions {
  /** Pass our stdin on. */
  readonly interactive: boolean;
  /** The command has a terminal: with `interactive`, ours passes every key through. */
  readonly tty: boolean;
  readonly interrupts: Interrupts;
}

/** Given up on, with the command perhaps still running. */
export class GivenUp extends Error {}

/**
 * Connects a running command with our stdin, stdout and stderr until it ends. A slow reader of ours makes the command wait: nothing is
 * read from the guest before the last piece has been taken. Throws GivenUp when interrupted for good.
 */
export async function streamProcess(attached: AttachedProcess, options: StreamOptions): Promise<Exit> {
  const { interactive, tty, interrupts } = options;
  attached.exit.catch(() => undefined);
  const givenUp = Promise.withResolvers<never>();
  const giveUp = (): void => givenUp.reject(new GivenUp('interrupted'));
  givenUp.promise.catch(() => undefined);
  interrupts.signal.addEventListener('abort', giveUp, { once: true });
  if (interrupts.signal.aborted) giveUp();
  const keysPass = tty && interactive && stdin.isTTY;
  using _size = tty ? followSize(attached) : undefined;
  using _raw = keysPass ? rawMode() : undefined;
  using _stdin = interactive ? pumpStdin(attached) : undefined;
  if (!keysPass) interrupts.forward = (signal) => void attached.signal(signal).catch(() => undefined);
  try {
    const printed = printOutput(attached, interrupts.signal);
    printed.catch(() => undefined);
    return await Promise.race([printed, givenUp.promise]);
  } finally {
    interrupts.forward = undefined;
    interrupts.signal.removeEventListener('abort', giveUp);
  }
}

/** Reads on when nobody is there to print for: to leave the output is to let go of the command, which is to be ended first. */
async function printOutput(attached: AttachedProcess, signal: AbortSignal): Promise<Exit> {
  for await (const { channel, bytes } of attached.output) {
    if (signal.aborted) continue;
    const stream = channel === 'stderr' ? stderr : stdout;
    if (stream.write(bytes)) continue;
    await once(stream, 'drain', { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
  return attached.exit;
}
