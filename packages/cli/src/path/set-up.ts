import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { printable } from '@novasandbox/protocol/visible';
import { printJson } from '../render/json.ts';
import { addFolderHint, completionHint, foundInPath, isInPath, isSame, ownFolder, type ShellFacts } from './hints.ts';
import { makeLink, removeLink, scriptOf, type LinkState } from './link.ts';

export interface PathOptions {
  readonly remove?: boolean;
  readonly json?: boolean;
}

const said: Readonly<Record<LinkState, string>> = {
  made: 'made',
  present: 'there already',
  removed: 'removed',
  absent: 'not there',
};

/** Puts `nova` into a folder of the PATH, or removes it again, and says which steps remain. */
export async function setUpPath(
  folder: string | undefined,
  { remove = false, json = false }: PathOptions,
): Promise<void> {
  const { repositoryRoot } = await import('@novasandbox/engine');
  const facts: ShellFacts = {
    path: process.env['PATH'] ?? '',
    shell: process.env['SHELL'] ?? '',
    home: homedir(),
  };
  const into = resolve(folder ?? ownFolder());
  const link = join(into, 'nova');
  const script = scriptOf(repositoryRoot);
  const state = remove ? await removeLink(link, script) : await makeLink(link, script);
  const hints = remove ? [] : hintsFor(into, link, facts);
  if (json) printJson({ link, script, state, inPath: isInPath(into, facts), hints });
  else {
    const lines = [`${link} -> ${script}: ${said[state]}`, ...hints];
    process.stdout.write(lines.map((line) => `${printable(line)}\n`).join(''));
  }
}

function hintsFor(folder: string, link: string, facts: ShellFacts): string[] {
  const hints: string[] = [];
  const found = foundInPath(facts);
  if (!isInPath(folder, facts)) {
    hints.push(`${folder} is not in your PATH. Add it, and open a new shell:  ${addFolderHint(folder, facts)}`);
  } else if (found !== null && !isSame(found, link)) {
    hints.push(`Another nova comes first in your PATH: ${found}`);
  }
  const completion = completionHint(facts);
  if (completion !== null) hints.push(`For completion:  ${completion}`);
  return hints;
}
