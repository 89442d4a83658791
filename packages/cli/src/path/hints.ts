import { accessSync, constants, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, join, resolve } from 'node:path';

/** Folder for a user's own programs; for root, the folder of programs for everybody. */
export const ownFolder = (): string => (process.getuid?.() === 0 ? '/usr/local/bin' : join(homedir(), '.local', 'bin'));

/** Facts about the environment that decide which `nova` a shell finds, and how to change that. */
export interface ShellFacts {
  readonly path: string;
  /** The user's shell, such as /bin/bash. */
  readonly shell: string;
  readonly home: string;
}

/** Returns the `nova` that a shell finds, or null. */
export function foundInPath({ path }: ShellFacts): string | null {
  for (const folder of path.split(delimiter)) {
    const candidate = join(resolve(folder), 'nova');
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/** Whether the `nova` at `found` is the program that `link` leads to. */
export const isSame = (found: string, link: string): boolean => real(found) === real(link);

export const isInPath = (folder: string, { path }: ShellFacts): boolean =>
  path.split(delimiter).some((each) => each !== '' && real(each) === real(folder));

/** Tells how to add the folder to a shell's PATH permanently. */
export function addFolderHint(folder: string, { shell, home }: ShellFacts): string {
  const inHome = folder.startsWith(`${home}/`) ? `$HOME${folder.slice(home.length)}` : folder;
  const line = `export PATH="${inHome}:$PATH"`;
  switch (basename(shell)) {
    case 'fish':
      return `fish_add_path "${inHome}"`;
    case 'zsh':
      return `echo '${line}' >> ~/.zshrc`;
    case 'bash':
      return `echo '${line}' >> ~/.bashrc`;
    default:
      return `echo '${line}' >> ~/.profile`;
  }
}

/** Tells how to enable completion in a shell; null if there is none for it. */
export function completionHint({ shell }: ShellFacts): string | null {
  switch (basename(shell)) {
    case 'fish':
      return 'nova completion fish > ~/.config/fish/completions/nova.fish';
    case 'zsh':
      return 'nova completion zsh > "${fpath[1]}/_nova"';
    case 'bash':
      return `echo 'source <(nova completion bash)' >> ~/.bashrc`;
    default:
      return null;
  }
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
