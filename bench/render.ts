import type { LoadedRow, Row } from './measure.ts';

const higherIsBetter = (row: Row): boolean => row.higherIsBetter ?? (row.unit === 'MB/s' || row.unit === 'req/s');

function withinBudget(row: Row): boolean | null {
  if (row.budget === undefined) return null;
  return higherIsBetter(row) ? row.value >= row.budget : row.value <= row.budget;
}

const figure = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(1) : value.toFixed(3);

/** Formats the rows as a Markdown table. */
export function renderTable(rows: readonly LoadedRow[]): string {
  const cells = rows.map((row) => [
    row.name,
    `${figure(row.value)} ${row.unit}`,
    row.summary === undefined ? '' : `${figure(row.summary.min)} - ${figure(row.summary.max)}`,
    row.summary === undefined ? '' : figure(row.summary.p99),
    row.load.toFixed(1),
    row.budget === undefined ? '' : `${higherIsBetter(row) ? '>=' : '<='} ${row.budget}`,
    { true: 'met', false: 'MISSED', null: '' }[String(withinBudget(row))] ?? '',
  ]);
  const header = ['measure', 'median', 'range', 'p99', 'load', 'budget', ''];
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(header), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...cells.map(line)].join('\n');
}
