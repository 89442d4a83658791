import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from './layout.ts';

/** Where older versions keep golden snapshots, each in a folder named by its digest. */
const oldGoldenSnapshots = 'snapshots';
const digestPattern = /^[0-9a-f]{32}$/;

/**
 * Moves files that older versions keep elsewhere to where this version looks for them. A golden snapshot holds no path,
 * and machines that were started from one have its files open, so it can still be used after the move. A snapshot that
 * has been made again meanwhile is removed from its old place. Other files there are left alone. Several processes may
 * do this at once.
 */
export function adoptOldLayout(layout: Layout): void {
  const folder = join(layout.home, oldGoldenSnapshots);
  const digests = namesIn(folder).filter((name) => digestPattern.test(name));
  for (const digest of digests) {
    const path = join(folder, digest);
    if (existsSync(layout.golden(digest))) rmSync(path, { recursive: true, force: true });
    else unlessGone(() => renameSync(path, layout.golden(digest)));
  }
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Another process may have done it first. */
function unlessGone(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
