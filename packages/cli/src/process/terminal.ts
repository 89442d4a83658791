import { spawnSync } from 'node:child_process';
import type { AttachedProcess } from '@novasandbox/engine';

/** Size of our terminal, or the one terminals have by default. */
export function terminalSize(): { readonly cols: number; readonly rows: number } {
  const terminal = [process.stdout, process.stderr].find((stream) => stream.isTTY);
  // A terminal that nobody has told its size has none: 0.
  return { cols: terminal?.columns || 80, rows: terminal?.rows || 24 };
}

/** Tells a command with a terminal the size of ours, now and whenever it changes. Disposing stops. */
export function followSize(attached: AttachedProcess): Disposable {
  const resize = (): void => void attached.resize(terminalSize()).catch(() => undefined);
  process.on('SIGWINCH', resize);
  return { [Symbol.dispose]: () => void process.off('SIGWINCH', resize) };
}

/** Our terminal in raw mode: every key, Ctrl-C too, is a byte for the command. Restored on disposal and, whatever happens, at exit. */
export function rawMode(): Disposable {
  const restore = (): void => {
    try {
      process.stdin.setRawMode(false);
    } catch {
      // The terminal has gone: nothing to restore.
    }
  };
  process.stdin.setRawMode(true);
  // Node leaves one translation on: a line feed of the guest's would move the cursor to the left too, which full-screen programs do not
  // expect. Without stty it stays so.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  process.on('exit', restore);
  return {
    [Symbol.dispose]() {
      process.off('exit', restore);
      restore();
    },
  };
}
