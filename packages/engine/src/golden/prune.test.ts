import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { layoutAt } from '../layout.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { manifestFile } from './manifest.ts';
import { markUsed, pruneGoldenSnapshots } from './prune.ts';

test('the snapshots that were not used for longest go, those just used stay', async () => {
  const layout = layoutAt(await mkdtemp(join(tmpdir(), 'nova-prune-')));
  using store = openSqliteStore(layout.storeFile, layout.reserveFile);
  try {
    for (let index = 0; index < 20; index++) {
      const directory = layout.golden(`s${index}`);
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, manifestFile), '{}');
      const usedAt = new Date(Date.now() - 3_600_000 * (30 - index));
      await utimes(join(directory, manifestFile), usedAt, usedAt);
    }
    await markUsed(layout.golden('s0'));
    await pruneGoldenSnapshots({ layout, store });
    const left = await readdir(layout.goldenSnapshots);
    assert.equal(left.length, 16);
    assert.ok(left.includes('s0') && left.includes('s19') && !left.includes('s1') && !left.includes('s4'));
  } finally {
    await rm(layout.home, { recursive: true });
  }
});
