import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const longest = 120;

const tracked = (...patterns: readonly string[]): string[] =>
  execFileSync('git', ['ls-files', '-z', '--', ...patterns], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter((file) => file !== '' && !isGenerated(file));

const isGenerated = (file: string): boolean => /\/gen\/|^docs\/api\/|\/_sync\//.test(file);

const linesOf = (file: string): string[] => readFileSync(join(root, file), 'utf8').split('\n');

test('lines of comments have at most 120 characters', () => {
  const files = [
    ...tracked('*.ts', '*.rs').map((file) => [file, /^\s*(\/\/|\/?\*)/] as const),
    ...tracked('nova', '*.sh', '*.py', '*.toml').map((file) => [file, /^\s*#(?!!)/] as const),
  ];
  assert.ok(files.length > 800, String(files.length));
  const long = files.flatMap(([file, comment]) =>
    linesOf(file).flatMap((line, index) =>
      line.length > longest && comment.test(line) ? [`${file}:${index + 1}`] : [],
    ),
  );
  assert.deepEqual(long, []);
});

test('lines of prose in the documents have at most 120 characters', () => {
  // Its lists of fields have one line per message, and a test reads them.
  const documents = tracked('*.md').filter((file) => file !== 'guest/PROTOCOL.md');
  assert.ok(documents.length > 20, String(documents.length));
  const long = documents.flatMap((file) => {
    let isCode = false;
    return linesOf(file).flatMap((line, index) => {
      if (/^\s*```/.test(line)) isCode = !isCode;
      // Tables, headings and indented code may have longer lines.
      const isProse = !isCode && !/^\s*[|#<]|^ {4}/.test(line);
      return isProse && line.length > longest ? [`${file}:${index + 1}`] : [];
    });
  });
  assert.deepEqual(long, []);
});
