import { generatedMark, literal, type Group, type Numbers } from './numbers.ts';

/** Modules of the guest's side other than tags, each with the type of its numbers. */
const modules = [
  ['limit', 'limits', 'usize'],
  ['byte', 'bytes', 'u8'],
  ['frame_kind', 'frameKinds', 'u8'],
  ['channel', 'channels', 'u8'],
  ['method', 'methods', 'u8'],
  ['message', 'messages', 'u8'],
  ['file_type', 'fileTypes', 'u64'],
  ['change_kind', 'changeKinds', 'u64'],
  ['shortage', 'shortages', 'u64'],
] as const;

/** Generates the constants of the guest's side. */
export function rustOf(numbers: Numbers): string {
  const lines = [`//! ${generatedMark}`, '// Numbers that only the host uses are here too.', '#![allow(dead_code)]'];
  for (const [module, group, type] of modules) {
    lines.push('', `pub mod ${module} {`, ...constants(numbers[group], type, '    '), '}');
  }
  lines.push('', '/// The tags of records, by record.', 'pub mod tag {');
  const records = Object.entries(numbers.tags).map(([record, group]) => [
    `    pub mod ${moduleName(record)} {`,
    ...constants(group, 'u8', '        '),
    '    }',
  ]);
  return [...lines, records.map((record) => record.join('\n')).join('\n\n'), '}', ''].join('\n');
}

function constants(group: Group, type: string, indent: string): string[] {
  return Object.entries(group).flatMap(([name, [number, about]]) => [
    `${indent}/// ${about}`,
    `${indent}pub const ${snakeCase(name).toUpperCase()}: ${type} = ${literal(number)};`,
  ]);
}

function moduleName(record: string): string {
  return record === 'move' ? 'r#move' : snakeCase(record);
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
