import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { errorTable } from '@novasandbox/protocol';

const root = join(import.meta.dirname, '..');

test('docs/errors.md is the table of errors', () => {
  const rows = [...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| `(\w+)` \| (\d+) \| (.+) \|$/gm)];
  const documented = Object.fromEntries(
    rows.map(([, code = '', status, hint]) => [code, { status: Number(status), hint }]),
  );
  assert.deepEqual(documented, errorTable);
});

test('every dependency is explained and pinned', () => {
  const explained = readFileSync(join(root, 'docs/dependencies.md'), 'utf8');
  for (const file of globSync(['package.json', '{bench,lab,tests,packages/*}/package.json'], { cwd: root })) {
    const manifest = JSON.parse(readFileSync(join(root, file), 'utf8')) as Record<
      string,
      Record<string, string> | undefined
    >;
    for (const [name, version] of Object.entries({ ...manifest['dependencies'], ...manifest['devDependencies'] })) {
      assert.match(version, /^(npm:[\w@/-]+@)?\d+\.\d+\.\d+$/, `${file}: ${name} is not pinned`);
      if (!name.startsWith('@novasandbox/') && name !== 'novasandbox')
        assert.ok(explained.includes(`\`${name}\``), `${name} is not explained`);
    }
  }
  const crates =
    /\[dependencies\]([\s\S]*?)(?:\n\[|$)/.exec(readFileSync(join(root, 'guest/agent/Cargo.toml'), 'utf8'))?.[1] ?? '';
  for (const [, name] of crates.matchAll(/^([\w-]+)\s*=/gm))
    assert.ok(explained.includes(`\`${name}\``), `the crate ${name} is not explained`);
});

test('links between the documents lead somewhere', () => {
  for (const file of globSync(['*.md', 'docs/**/*.md', 'guest/**/*.md'], {
    cwd: root,
    exclude: (name) => name === 'node_modules' || name === 'target',
  })) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      assert.ok(existsSync(join(root, dirname(file), target)), `${file} links to ${target}`);
    }
  }
});
