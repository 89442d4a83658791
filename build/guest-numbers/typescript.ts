import { generatedMark, literal, type Group, type Numbers } from './numbers.ts';

/** Generates the constants of the host's side. */
export function typescriptOf({ about: _about, tags, ...groups }: Numbers): string {
  const lines = [`/** ${generatedMark} */`];
  for (const [name, numbers] of Object.entries(groups)) {
    lines.push('', `export const ${name} = {`, ...constants(numbers, '  '), '} as const;');
  }
  lines.push('', '/** The tags of records, by record. */', 'export const tags = {');
  for (const [name, numbers] of Object.entries(tags)) lines.push(`  ${name}: {`, ...constants(numbers, '    '), '  },');
  return [...lines, '} as const;', ''].join('\n');
}

function constants(numbers: Group, indent: string): string[] {
  return Object.entries(numbers).flatMap(([name, [number, about]]) => [
    `${indent}/** ${about} */`,
    `${indent}${name}: ${literal(number)},`,
  ]);
}
