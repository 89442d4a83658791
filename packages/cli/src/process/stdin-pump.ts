import type { AttachedProcess } from '@novasandbox/engine';

/** Passes our stdin to a command, as fast as the command reads it, until either ends. Disposing stops. */
export function pumpStdin(attached: AttachedProcess): Disposable {
  const { stdin } = process;
  // A write that fails means that the command has gone, which its exit tells.
  const ignore = (): void => undefined;
  const pass = (bytes: Buffer): void => {
    stdin.pause();
    attached.writeStdin(bytes).then(() => stdin.resume(), ignore);
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
