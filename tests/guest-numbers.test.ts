import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readNumbers, rustFile, typescriptFile } from '../build/guest-numbers/numbers.ts';
import { rustOf } from '../build/guest-numbers/rust.ts';
import { typescriptOf } from '../build/guest-numbers/typescript.ts';

const root = join(import.meta.dirname, '..');
const numbers = readNumbers();
const protocol = readFileSync(join(root, 'guest/PROTOCOL.md'), 'utf8');

test('the constants of both sides are those of guest/protocol.json', () => {
  const remedy = 'Run node build/guest-numbers/write.ts.';
  assert.equal(readFileSync(typescriptFile, 'utf8'), typescriptOf(numbers), remedy);
  assert.equal(readFileSync(rustFile, 'utf8'), rustOf(numbers), remedy);
});

test('no number stands twice in a group, except for the channels, which are those of different methods', () => {
  const { about: _about, channels: _channels, limits: _limits, bytes: _bytes, tags, ...groups } = numbers;
  for (const [name, group] of [...Object.entries(groups), ...Object.entries(tags)]) {
    const used = Object.values(group).map(([number]) => number);
    assert.deepEqual(used, [...new Set(used)], name);
  }
});

/** The records that each section of PROTOCOL.md describes, by its heading. */
const sections: Readonly<Record<string, readonly string[]>> = {
  Errors: ['error'],
  '1 info': ['infoResult'],
  '2 ping': ['ping'],
  '3 configure': ['configure', 'network', 'continued', 'configureResult', 'volume'],
  '4 exec': ['exec', 'size', 'started', 'exit', 'signalMessage', 'leave'],
  '5 attach': ['attach', 'started'],
  '6 signal': ['signal'],
  '7 list': ['listResult', 'process'],
  '8 read': ['read', 'readResult'],
  '9 write': ['write', 'writeResult'],
  '10 stat': ['stat', 'entry', 'xattr'],
  '11 list directory': ['listDirectory', 'listDirectoryResult'],
  '12 mkdir': ['mkdir', 'mkdirResult'],
  '13 move': ['move'],
  '14 remove': ['remove', 'removeResult'],
  '15 watch': ['watch', 'change', 'overflow'],
  '16 tar in': ['tarIn', 'tarResult'],
  '17 tar out': ['tarOut', 'tarResult'],
  '18 attributes': ['attributes', 'xattr'],
  '20 tunnel': ['tunnel'],
  '21 metrics': ['metricsResult', 'disk'],
  '22 clock': ['clock'],
  '23 quiesce': ['quiesce'],
  '24 deadline': ['deadline', 'deadlineResult'],
  '25 shutdown': ['shutdown'],
  '26 warm': ['warm', 'command', 'warmResult'],
  '27 grow': ['grow', 'growResult'],
  '28 manifest': ['manifest', 'manifestEntry', 'manifestResult'],
};

/** A section's text, its heading line included. */
function sectionOf(heading: string): string {
  const start = protocol.search(new RegExp(`^##+ ${heading}\\b`, 'm'));
  assert.ok(start >= 0, `PROTOCOL.md has a section ${heading}`);
  const end = protocol.slice(start + 3).search(/^##+ /m);
  return end < 0 ? protocol.slice(start) : protocol.slice(start, start + 3 + end);
}

test('PROTOCOL.md names every field by its tag, and no other', () => {
  assert.deepEqual(Object.values(sections).flat().toSorted().filter(isFirst), Object.keys(numbers.tags).toSorted());
  const told = (heading: string): string[] =>
    [...sectionOf(heading).matchAll(/`(\d+) ([A-Za-z0-9]+)`/g)].map(([, tag, name]) => `${tag} ${name}`);
  const known = (record: string): string[] =>
    Object.entries(numbers.tags[record] ?? {}).map(([name, [tag]]) => `${tag} ${name}`);
  for (const [heading, records] of Object.entries(sections)) {
    const all = records.flatMap(known);
    const strange = told(heading).filter((field) => !all.includes(field));
    assert.deepEqual(strange, [], `fields of ${heading} that guest/protocol.json lacks`);
  }
  for (const record of Object.keys(numbers.tags)) {
    const places = Object.keys(sections).filter((heading) => sections[heading]?.includes(record));
    const all = places.flatMap(told);
    const missing = known(record).filter((field) => !all.includes(field));
    assert.deepEqual(missing, [], `fields of ${record} that PROTOCOL.md lacks`);
  }
});

test('PROTOCOL.md numbers the kinds of frames, the methods and the messages as guest/protocol.json does', () => {
  const kinds = [...sectionOf('Frames').matchAll(/^\| (\d+) \| ([A-Z]+) \|/gm)].map(([, number, name]) => [
    name,
    number,
  ]);
  assert.deepEqual(Object.fromEntries(kinds), flat(numbers.frameKinds));
  const methods = [...protocol.matchAll(/^### (\d+) ([a-z]+(?: (?:in|out|directory))?)/gm)].map(([, number, name]) => [
    (name ?? '').replaceAll(' ', '').toUpperCase(),
    number,
  ]);
  assert.deepEqual(Object.fromEntries(methods), flat(numbers.methods));
  const messages = [...protocol.matchAll(/MESSAGE ([A-Z]+) \(type (\d+)\)/g)].map(([, name, number]) => [name, number]);
  assert.deepEqual(Object.fromEntries(messages), flat(numbers.messages));
});

const accessors = [
  ...['integer', 'integerOrNever', 'integerUpTo', 'bigint', 'flag', 'bytes', 'string', 'strings', 'environment'],
  ...['record', 'records', 'requiredRecord'],
];

/** Places where a tag could be written as a number: calls that write or read a field, and match arms on fields. */
const bareTags = [
  {
    files: 'packages/engine/src/agent/*.ts',
    pattern: new RegExp(`\\.(?:${accessors.join('|')})\\(\\d|\\bcountTag: \\d`),
  },
  {
    files: 'guest/agent/src/**/*.rs',
    pattern: /\.(?:int|flag|bytes|text|record)\(\d|\btag == \d|^\s+\d+ => (?!Token).*\bvalue\b|\.0 == \d/,
  },
];

test('neither side writes a tag as a number', () => {
  for (const { files, pattern } of bareTags) {
    const found = globSync(files, { cwd: root })
      .filter((file) => !/\.test\.ts$|tests?\.rs$|\bnumbers\./.test(file))
      .flatMap((file) =>
        readFileSync(join(root, file), 'utf8')
          .split('\n')
          .map((line, at) => `${file}:${at + 1}: ${line.trim()}`)
          .filter((line) => pattern.test(line.slice(line.indexOf(': ') + 1))),
      );
    assert.deepEqual(found, []);
  }
});

function isFirst<T>(value: T, at: number, all: readonly T[]): boolean {
  return all.indexOf(value) === at;
}

function flat(group: Readonly<Record<string, readonly [number, string]>>): Record<string, string> {
  return Object.fromEntries(Object.entries(group).map(([name, [number]]) => [name.toUpperCase(), String(number)]));
}
