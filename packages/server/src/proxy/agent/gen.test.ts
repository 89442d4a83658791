import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

test('the generated messages are those of the proto files', () => {
  const out = mkdtempSync(join(tmpdir(), 'nova-gen-'));
  try {
    const generate = join(import.meta.dirname, '../../../proto/generate.ts');
    const { status, stderr } = spawnSync(process.execPath, [generate, out], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const committed = join(import.meta.dirname, 'gen');
    const files = (folder: string) =>
      readdirSync(folder)
        .toSorted()
        .map((name) => [name, readFileSync(join(folder, name), 'utf8')]);
    assert.deepEqual(files(out), files(committed), 'run node packages/server/proto/generate.ts');
  } finally {
    rmSync(out, { recursive: true });
  }
});
