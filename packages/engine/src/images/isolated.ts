import { runCommand } from './command.ts';

let namespaces: Promise<boolean> | undefined;

/**
 * The command, such that nothing of it outlives it or this process: as root on Linux it runs in mount and process namespaces of its own, which end
 * with it, mounts and all. Where these cannot be made it is given back as it is.
 */
export async function isolated(command: readonly string[]): Promise<[program: string, ...rest: string[]]> {
  const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--'];
  const [first, ...others] = command;
  if (first === undefined) throw new TypeError('an empty command');
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return [first, ...others];
  namespaces ??= runCommand('unshare', [...unshare.slice(1), 'true']).then(
    () => true,
    () => false,
  );
  return (await namespaces) ? ['setpriv', '--pdeathsig', 'KILL', ...unshare, ...command] : [first, ...others];
}
