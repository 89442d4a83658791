import { fields, type Field } from '@novasandbox/protocol/fields';
import { configShape, type FieldName } from '@novasandbox/protocol';
import { wireShape } from '@novasandbox/protocol/api';
import { pythonModule } from './python-fields.ts';
import { rulesModule } from './python-rules.ts';

/**
 * Texts generated from the table of config fields: documents, the arguments of Python, and the type of a config with a
 * comment on each field.
 */

const rows = Object.entries<Field>(fields) as readonly (readonly [FieldName, Field])[];

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');
const cells = (...row: readonly string[]): string =>
  `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

/** Formats a default for documents. */
function told(preset: unknown): string {
  if (typeof preset === 'number') return String(preset).replaceAll(/\B(?=(\d{3})+$)/g, preset < 10_000 ? '' : ' ');
  if (typeof preset === 'object' && preset !== null) return 'none';
  return typeof preset === 'string' ? `\`${preset}\`` : String(preset);
}

/** Builds the table of docs/sdk.md. */
function ofLibrary(): string {
  const lines = rows.map(([name, row]) => {
    const preset: unknown = configShape[name].parse(undefined);
    const unit = row.unit === undefined ? '' : `, in ${row.unit}`;
    const more = row.more === undefined ? '' : `; ${oneLine(row.more)}`;
    const alias = row.alias === undefined ? '' : `, \`${row.alias}\``;
    return cells(
      `\`${name}\`${alias}`,
      preset === undefined ? (row.absent ?? '') : told(preset),
      row.about + unit + more,
    );
  });
  return ['| Field | Default | |', '|---|---|---|', ...lines].join('\n');
}

/** Builds the table of docs/cli.md. */
function ofCommandLine(): string {
  const lines = rows.flatMap(([, { option, about }]) =>
    'flags' in option
      ? [cells(`\`${option.flags}\``, (option.about ?? about) + (option.note === undefined ? '' : `; ${option.note}`))]
      : [],
  );
  return ['| Option | |', '|---|---|', ...lines].join('\n');
}

/** Builds the table of docs/python.md. */
function ofPython(): string {
  const lines = rows.flatMap(([, { rest, python, about, unit, absent, daemonDefault }]) => {
    if (rest === null) return [];
    const preset: unknown = wireShape[rest as keyof typeof wireShape].parse(undefined);
    const inUnit = unit === undefined ? '' : `, in ${unit === 'ms' ? 'seconds' : unit}`;
    return [
      cells(
        `\`${python ?? rest}\``,
        preset === undefined ? (daemonDefault ?? absent ?? '') : told(preset),
        about + inUnit,
      ),
    ];
  });
  return ['| Argument | Default | |', '|---|---|---|', ...lines].join('\n');
}

/** Builds the module with the type of a config; editors show the descriptions of its fields. */
function inputModule(): string {
  const members = rows.flatMap(([name, { about, unit, alias }]) => [
    `  /** ${sentence(about + (unit === undefined ? '' : `, in ${unit}`))} */`,
    `  ${name}?: Input['${name}'];`,
    ...(alias === undefined ? [] : [`  /** Another name of \`${name}\`. */`, `  ${alias}?: Input['${alias}'];`]),
  ]);
  return `// Written by build/write-field-documents.ts from the table of config fields, which lies beside it.
import type * as z from 'zod';
import type { sandboxConfigSchema } from './schema.ts';

type Input = z.input<typeof sandboxConfigSchema>;

/** The config of a sandbox. Everything has a default; sizes default to the template's. */
export interface SandboxConfigInput {
${members.join('\n')}
}
`;
}

/** A generated file, or the generated part of a file between two marks. */
export interface Written {
  readonly file: string;
  /** Returns the new text of the file, given its current text. */
  readonly text: (before: string) => string;
}

const begin = '<!-- The table of config fields: written by build/write-field-documents.ts -->';
const end = '<!-- End of the table -->';

const between = (file: string, table: () => string): Written => ({
  file,
  text(before) {
    const [head, rest = ''] = before.split(begin);
    const tail = rest.split(end)[1];
    if (tail === undefined) throw new Error(`${file} has no "${begin}" that is followed by "${end}".`);
    return `${head}${begin}\n\n${table()}\n\n${end}${tail}`;
  },
});

export const fieldDocuments: readonly Written[] = [
  { file: 'packages/protocol/src/config/input.ts', text: inputModule },
  { file: 'sdks/python/src/novasandbox/_fields.py', text: pythonModule },
  { file: 'sdks/python/src/novasandbox/_workspace/rules.py', text: rulesModule },
  between('docs/sdk.md', ofLibrary),
  between('docs/cli.md', ofCommandLine),
  between('docs/python.md', ofPython),
];
