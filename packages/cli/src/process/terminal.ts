import { spawnSync } from 'node:child_process';
import type { AttachedProcess } from '@novasandbox/engine';

/** Size of our terminal, or the usual default. */
export function terminalSize(): { readonly cols: number; readonly rows: number } {
  const terminal = [process.stdout, process.stderr].find((stream) => stream.isTTY);
  // A terminal whose size was never set reports 0.
  return { cols: terminal?.columns || 80, rows: terminal?.rows || 24 };
}

/** Keeps the size of a command's terminal equal to ours. Disposing stops that. */
export function followSize(attached: AttachedProcess): Disposable {
  const resize = (): void => void attached.resize(terminalSize()).catch(() => undefined);
  process.on('SIGWINCH', resize);
  return { [Symbol.dispose]: () => void process.off('SIGWINCH', resize) };
}

/**
 * Puts our terminal into raw mode: every key, including Ctrl-C, is a byte for the command. The mode is restored on
 * disposal and, in any case, at exit.
 */
export function rawMode(): Disposable {
  const restore = (): void => {
    try {
      process.stdin.setRawMode(false);
    } catch {
      // The terminal is gone, so there is nothing to restore.
    }
  };
  process.stdin.setRawMode(true);
  // Node leaves one translation on: a line feed from the guest would also move the cursor to the left, which
  // full-screen programs do not expect. Without stty it remains on.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  process.on('exit', restore);
  return {
    [Symbol.dispose]() {
      process.off('exit', restore);
      restore();
    },
  };
}
