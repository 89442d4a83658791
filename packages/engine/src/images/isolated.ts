import { runCommand } from './command.ts';

const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--'];
let namespaces: Promise<boolean> | undefined;

/** Whether commands get namespaces of their own: root's, on Linux, where these can be made. */
export async function areIsolated(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  namespaces ??= runCommand('unshare', [...unshare.slice(1), 'true']).then(
    () => true,
    () => false,
  );
  return namespaces;
}

/**
 * The command, such that nothing of it outlives it or this process: as root on Linux it runs in mount and process namespaces of its own, which end
 * with it, mounts and all. Where these cannot be made it is given back as it is.
 */
export async function isolated(command: readonly string[]): Promise<[program: string, ...rest: string[]]> {
  const [first, ...others] = command;
  if (first === undefined) throw new TypeError('an empty command');
  return (await areIsolated()) ? ['setpriv', '--pdeathsig', 'KILL', ...unshare, ...command] : [first, ...others];
}
