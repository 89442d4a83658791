import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { finished } from '../support/nova-cli.ts';
import { alone, longest } from './alone.ts';
import { testFiles, testGroups } from './test-files.ts';

const found = testFiles();
const files = found.map(({ file }) => file);

test('what is said of test files is said of files that are there, each of which runs once', () => {
  for (const file of [...Object.keys(alone), ...longest]) assert.ok(files.includes(file), file);
  assert.equal(new Set(files).size, files.length);
  const grouped = testGroups(found).flatMap((group) => group.files);
  assert.deepEqual(grouped.toSorted(), files.toSorted());
});

test('the files that take longest begin first', () => {
  assert.deepEqual(files.slice(0, longest.length), longest);
  assert.deepEqual(
    testGroups(found)
      .slice(0, longest.length)
      .map(({ name }) => name),
    longest,
  );
});

test('only unit tests of one package share a process', () => {
  const shared = testGroups(found).filter((group) => group.files.length > 1);
  assert.ok(shared.length > 0);
  for (const group of shared) {
    assert.equal(group.phase, 'unit');
    assert.ok(group.files.every((file) => !(file in alone) && !file.includes('/e2e/')));
    const folders = group.files.map((file) => /^packages\/[^/]+|^[^/]+/.exec(file)?.[0]);
    assert.equal(new Set(folders).size, 1, group.name);
  }
});

test('files that share a process fail under their own names, and share no hooks', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nova-group-'));
  try {
    const write = async (name: string, code: string): Promise<string> => {
      const path = join(folder, name);
      await writeFile(path, `import { beforeEach, test } from 'node:test';\n${code}`);
      return path;
    };
    const group = [
      await write('hooked.test.mjs', `beforeEach(() => { throw new Error('hook'); }); test('own', () => undefined);`),
      await write('broken.test.mjs', `throw new Error('it cannot be loaded');`),
      await write('sound.test.mjs', `test('another', () => undefined);`),
    ];
    const reporter = `--test-reporter=${join(import.meta.dirname, '../support/reporter.ts')}`;
    const runner = join(import.meta.dirname, 'file-group.ts');
    // A process that a test runner has started reports to it, and not as it is told.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const argv = ['--disable-warning=ExperimentalWarning', reporter, runner, ...group];
    const { code, stdout } = await finished(spawn(process.execPath, argv, { env }));
    assert.equal(code, 1);
    assert.match(stdout, /✖.* \S*hooked\.test\.mjs: own/);
    assert.match(stdout, /✖.* \S*broken\.test\.mjs\n\s+Error: it cannot be loaded/);
    assert.match(stdout, /✔.* \S*sound\.test\.mjs: another/);
    assert.match(stdout, /\n1 passed, 2 failed/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
