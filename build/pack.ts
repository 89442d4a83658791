import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { compile, runProgram } from './compile.ts';
import { published } from './published.ts';
import { stage } from './stage.ts';

/** Packs all published packages as tarballs into a folder; resolves to their paths by package name. */
export async function packAll(into: string): Promise<ReadonlyMap<string, string>> {
  const work = mkdtempSync(join(tmpdir(), 'nova-pack-'));
  try {
    mkdirSync(into, { recursive: true });
    const compiled = join(work, 'compiled');
    await compile(compiled);
    const tarballs = new Map<string, string>();
    for (const wanted of published) {
      const folder = join(work, wanted.name.replace('/', '-'));
      await stage(wanted, compiled, folder);
      const name = await runProgram(['npm', 'pack', '--silent', '--pack-destination', into], folder);
      tarballs.set(wanted.name, join(into, name.trim()));
    }
    return tarballs;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const into = resolve(process.argv[2] ?? 'packed');
  for (const [name, tarball] of await packAll(into)) process.stdout.write(`${name}: ${tarball}\n`);
}
