import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { layoutAt } from '../layout.ts';
import { manifestFile } from './manifest.ts';
import { markUsed, pruneSnapshots } from './prune.ts';

test('the snapshots that were not used for longest go, those just used stay', async () => {
  const layout = layoutAt(await mkdtemp(join(tmpdir(), 'nova-prune-')));
  try {
    for (let index = 0; index < 20; index++) {
      const directory = layout.snapshot(`s${index}`);
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, manifestFile), '{}');
      const usedAt = new Date(Date.now() - 3_600_000 * (30 - index));
      await utimes(join(directory, manifestFile), usedAt, usedAt);
    }
    await markUsed(layout.snapshot('s0'));
    await pruneSnapshots(layout);
    const left = await readdir(layout.snapshots);
    assert.equal(left.length, 16);
    assert.ok(left.includes('s0') && left.includes('s19') && !left.includes('s1') && !left.includes('s4'));
  } finally {
    await rm(layout.home, { recursive: true });
  }
});
