import { stdin } from 'node:process';
import type { AttachedProcess } from '@novasandbox/engine';
import type { Exit } from '@novasandbox/protocol';
import { KeyWatch } from './key-watch.ts';
import type { Interrupts } from './interrupts.ts';
import { printOutput } from './print-output.ts';
import { pumpStdin } from './stdin-pump.ts';
import { followSize, rawMode } from './terminal.ts';

export interface StreamOptions {
  /** Pass our stdin to the command. */
  readonly interactive: boolean;
  /** The command has a terminal: with `interactive`, ours passes every key on. */
  readonly tty: boolean;
  readonly interrupts: Interrupts;
  /** Keys that detach from the command when every key is passed on. */
  readonly detachKeys?: readonly number[] | undefined;
  /** Do not pass our signals to the command. */
  readonly keepsSignals?: boolean;
}

/** We have detached from the command. */
export class Detached extends Error {}

/** We have given up; the command may still be running. */
export class GivenUp extends Error {}

/**
 * Connects a running command with our stdin, stdout and stderr until it ends. A slow reader makes the command wait:
 * nothing is read from the guest before the last piece has been taken. Throws GivenUp after the final interrupt, and
 * Detached after the detach keys.
 */
export async function streamProcess(attached: AttachedProcess, options: StreamOptions): Promise<Exit> {
  const { interactive, tty, interrupts, detachKeys, keepsSignals = false } = options;
  attached.exit.catch(() => undefined);
  const givenUp = Promise.withResolvers<never>();
  const giveUp = (): void => givenUp.reject(new GivenUp('interrupted'));
  givenUp.promise.catch(() => undefined);
  interrupts.signal.addEventListener('abort', giveUp, { once: true });
  if (interrupts.signal.aborted) giveUp();
  const keysPass = tty && interactive && stdin.isTTY;
  using _size = tty ? followSize(attached) : undefined;
  using _raw = keysPass ? rawMode() : undefined;
  const leave = (): void => givenUp.reject(new Detached('detached'));
  const leaving = keysPass && detachKeys !== undefined ? { keys: new KeyWatch(detachKeys), leave } : undefined;
  using _stdin = interactive ? pumpStdin(attached, leaving) : undefined;
  if (!keysPass && !keepsSignals) interrupts.forward = (signal) => void attached.signal(signal).catch(() => undefined);
  try {
    const printed = printOutput(attached.output, interrupts.signal).then(() => attached.exit);
    printed.catch(() => undefined);
    return await Promise.race([printed, givenUp.promise]);
  } finally {
    interrupts.forward = undefined;
    interrupts.signal.removeEventListener('abort', giveUp);
  }
}
