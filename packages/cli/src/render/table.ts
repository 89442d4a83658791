import { printable } from '@novasandbox/protocol/visible';

export type Row = readonly string[];

/** Formats a table: columns as wide as their widest cell, two spaces between them, no trailing spaces. */
export function renderTable(header: Row, rows: readonly Row[]): string {
  const lines = [header, ...rows].map((row) => row.map((cell) => printable(cell).replaceAll(/\s/g, ' ')));
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}
