import { printable, printableName } from '@novasandbox/protocol/visible';
import type { PathReason, WorkspaceChange } from 'novasandbox';

const mostListed = 20;

const green = 32;
const red = 31;
const cyan = 36;
const bold = 1;
const yellow = 33;

/** Shows a change as a unified diff. Remarks begin with `#`, so that other programs can read the diff. */
export function showChange(change: WorkspaceChange, { color }: { readonly color: boolean }): string {
  const paint = (text: string, code: number): string => (color ? `\x1b[${code}m${text}\x1b[0m` : text);
  const lines = change.patch.replace(/\n$/, '').split('\n');
  let isHead = true;
  const shown = lines.map((line) => {
    const plain = printable(line);
    if (line.startsWith('@@')) isHead = false;
    if (isHead) return paint(plain, bold);
    if (line.startsWith('@@')) return paint(plain, cyan);
    if (line.startsWith('+')) return paint(plain, green);
    return line.startsWith('-') ? paint(plain, red) : plain;
  });
  const remarks = remarksOf(change).map((remark) => paint(`# ${printableName(remark)}`, yellow));
  return `${[...remarks, ...shown].join('\n')}\n`;
}

function remarksOf({ conflict, merges, refused, flags }: WorkspaceChange): string[] {
  return [
    ...(conflict === null ? [] : [`conflict: ${conflict}`]),
    ...(merges ? ['changed on this host too, in other lines'] : []),
    ...(refused === null ? [] : [`never applied: ${refused}`]),
    ...(flags.length === 0 ? [] : [`needs consent: it ${flags.join(', and ')}`]),
  ];
}

/** One line for each change, with the number of lines. */
export function showStat(changes: readonly WorkspaceChange[]): string {
  const width = Math.max(0, ...changes.map(({ path }) => printableName(path).length));
  return changes
    .map((change) => {
      const lines = change.hunks.flatMap((hunk) => hunk.lines);
      const count = (sign: string): number => lines.filter((line) => line.startsWith(sign)).length;
      const size = lines.length === 0 ? '' : ` +${count('+')} -${count('-')}`;
      const remarks = remarksOf(change);
      const told = remarks.length === 0 ? '' : `  (${printableName(remarks.join('; '))})`;
      return `${printableName(change.path).padEnd(width)}  ${change.kind}${size}${told}\n`;
    })
    .join('');
}

/** Tells on stderr what was left out or left alone. */
export function tellReasons(what: string, list: readonly PathReason[]): void {
  for (const { path, reason } of list.slice(0, mostListed)) {
    process.stderr.write(`nova: ${what} ${printableName(path)}: ${printableName(reason)}\n`);
  }
  if (list.length > mostListed) process.stderr.write(`nova: ${what} ${list.length - mostListed} more\n`);
}

/** Whether stdout is a terminal that shows colours. */
export const hasColor = (): boolean => process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
