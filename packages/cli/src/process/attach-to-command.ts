import type { AttachedProcess, Engine, GuestProcess } from '@novasandbox/engine';
import { exitStatusOf } from '@novasandbox/protocol';
import type { Interrupts } from './interrupts.ts';
import { Detached, GivenUp, streamProcess } from './stream-process.ts';
import { terminalSize } from './terminal.ts';

export interface HowToAttach {
  readonly fromStart: boolean;
  /** Whether our stdin is passed to the command. */
  readonly stdin: boolean;
  /** Whether Ctrl-C is passed to the command. */
  readonly signals: boolean;
  readonly detachKeys: readonly number[];
}

/** Joins a command until it ends or we detach; resolves to the exit code to pass on. */
export async function attachToCommand(
  engine: Engine,
  ref: string,
  { execId, pty: tty }: GuestProcess,
  { fromStart, stdin: interactive, signals, detachKeys }: HowToAttach,
  interrupts: Interrupts,
): Promise<number> {
  const offset = fromStart ? 0 : null;
  const from = { stdout: offset, stderr: offset, stdin: interactive };
  const attached = await engine.exec.attach(ref, execId, from, { signal: interrupts.signal });
  try {
    if (tty) await showSize(attached);
    const exit = await streamProcess(attached, { interactive, tty, interrupts, detachKeys, keepsSignals: !signals });
    return exitStatusOf(exit);
  } catch (error) {
    const detached = error instanceof Detached;
    if (!detached && !(error instanceof GivenUp) && !interrupts.signal.aborted) throw error;
    await attached.detach().catch(() => undefined);
    process.stderr.write(`\nnova: left command ${execId} running; "nova attach ${ref} ${execId}" joins it again\n`);
    return detached ? 0 : interrupts.exitCode;
  }
}

/**
 * Gives the command the size of our terminal, but first a different size: a full-screen program redraws only when the
 * size changes.
 */
async function showSize(attached: AttachedProcess): Promise<void> {
  const size = terminalSize();
  await attached.resize({ ...size, rows: size.rows + 1 });
  await attached.resize(size);
}
