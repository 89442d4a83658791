import { runCommand } from '../programs/command.ts';

const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--'];
let namespaces: Promise<boolean> | undefined;

/** Whether commands run in namespaces of their own. This takes root on Linux, where these namespaces can be made. */
export async function areIsolated(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  namespaces ??= runCommand('unshare', [...unshare.slice(1), 'true']).then(
    () => true,
    () => false,
  );
  return namespaces;
}

/**
 * Changes a command so that nothing that it starts or mounts outlives it or this process. As root on Linux it runs in
 * mount and process namespaces of its own, which end with it. Where these cannot be made, the command stays as it is.
 */
export async function isolated(command: readonly string[]): Promise<[program: string, ...rest: string[]]> {
  const [first, ...others] = command;
  if (first === undefined) throw new TypeError('an empty command');
  return (await areIsolated()) ? ['setpriv', '--pdeathsig', 'KILL', ...unshare, ...command] : [first, ...others];
}
