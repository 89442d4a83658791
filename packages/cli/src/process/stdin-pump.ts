import type { AttachedProcess } from '@novasandbox/engine';
import type { KeyWatch } from './key-watch.ts';

/** Keys that are not passed to the command but detach from it. */
export interface LeavingKeys {
  readonly keys: KeyWatch;
  readonly leave: () => void;
}

/** Passes our stdin to a command, as fast as the command reads it, until either ends. Disposing stops. */
export function pumpStdin(attached: AttachedProcess, leaving?: LeavingKeys): Disposable {
  const { stdin } = process;
  // A failed write means that the command is gone, which its exit reports.
  const ignore = (): void => undefined;
  const pass = (bytes: Buffer): void => {
    const { passes, complete } = leaving?.keys.take(bytes) ?? { passes: bytes, complete: false };
    if (complete) leaving?.leave();
    if (passes.length === 0) return;
    stdin.pause();
    attached.writeStdin(passes).then(() => stdin.resume(), ignore);
  };
  const end = (): void => void attached.closeStdin().catch(ignore);
  stdin.on('data', pass).on('end', end).on('error', end);
  return {
    [Symbol.dispose]() {
      stdin.off('data', pass).off('end', end).off('error', end);
      stdin.on('error', ignore);
      stdin.pause();
    },
  };
}
