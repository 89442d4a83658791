import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { hostArchitecture } from '../architecture.ts';
import type { FetchPrebuilt } from '../ports/image-source.ts';
import { guestAgent } from './agent.ts';
import { scratchFolder, type Scratch } from '../artifacts/testing/scratch.ts';

async function crate(scratch: Scratch): Promise<string> {
  const source = join(scratch.folder, 'agent');
  await mkdir(join(source, 'src'), { recursive: true });
  await writeFile(join(source, 'Cargo.toml'), '[package]\nname = "nova-agent"\nrust-version = "1.85"\n');
  await writeFile(join(source, 'src/main.rs'), 'fn main() {}\n');
  return source;
}

/** A cargo that "builds" the text of main.rs and records each build in a line. */
async function cargo(scratch: Scratch, version = '1.95.0'): Promise<() => Promise<number>> {
  const builds = join(scratch.folder, 'builds');
  await writeFile(builds, '');
  await scratch.program(
    'cargo',
    `if [ "$1" = --version ]; then echo "cargo ${version} (abc 2026-01-01)"; exit; fi
     if grep -q broken src/main.rs; then echo "error[E0425]: cannot find value" >&2; exit 101; fi
     echo "$*" >> ${builds}
     mkdir -p "$CARGO_TARGET_DIR" && cp src/main.rs "$CARGO_TARGET_DIR/nova-agent"
     echo "   Compiling nova-agent v0.1.0" >&2
     echo '{"reason":"compiler-artifact","executable":null}'
     echo "{\\"reason\\":\\"compiler-artifact\\",\\"executable\\":\\"$CARGO_TARGET_DIR/nova-agent\\"}"`,
  );
  return async () => (await readFile(builds, 'utf8')).split('\n').length - 1;
}

test('the agent is built once for the same sources, whatever their times', async () => {
  await using scratch = await scratchFolder();
  const source = await crate(scratch);
  const builds = await cargo(scratch);
  const first = await guestAgent(scratch.layout, hostArchitecture(), {}, source);
  assert.equal(await readFile(first.path, 'utf8'), 'fn main() {}\n');
  assert.deepEqual(await guestAgent(scratch.layout, hostArchitecture(), {}, source), first);
  await utimes(join(source, 'src/main.rs'), 1, 1);
  assert.deepEqual(await guestAgent(scratch.layout, hostArchitecture(), {}, source), first);
  assert.equal(await builds(), 1);

  await writeFile(join(source, 'src/main.rs'), 'fn main() { }\n');
  const second = await guestAgent(scratch.layout, hostArchitecture(), {}, source);
  assert.notEqual(second.digest, first.digest);
  assert.equal(await builds(), 2);
  assert.deepEqual(await readdir(scratch.layout.workDirectory), []);
});

test('calls at once build it once', async () => {
  await using scratch = await scratchFolder();
  const source = await crate(scratch);
  const builds = await cargo(scratch);
  const made = await Promise.all([1, 2, 3].map(() => guestAgent(scratch.layout, hostArchitecture(), {}, source)));
  assert.equal(new Set(made.map(({ path }) => path)).size, 1);
  assert.equal(await builds(), 1);
});

test('what is wrong is said: old Rust, no Rust, broken sources, no sources', async () => {
  await using scratch = await scratchFolder();
  const source = await crate(scratch);
  const fails = async (pattern: RegExp): Promise<void> => {
    await assert.rejects(guestAgent(scratch.layout, hostArchitecture(), {}, source), (error) => {
      assert.ok(isNovaError(error, 'set_up_failed'));
      assert.match(error.message, pattern);
      return true;
    });
  };
  await cargo(scratch, '1.63.0');
  await fails(/needs Rust 1\.85 or newer, not cargo 1\.63\.0/);
  await scratch.program('cargo', 'echo "error: rustup could not choose a version of cargo" >&2; exit 1');
  await fails(/cargo does not run/);
  await cargo(scratch);
  await writeFile(join(source, 'src/main.rs'), 'broken');
  await fails(/E0425.*cannot find value/);
  await assert.rejects(
    guestAgent(scratch.layout, hostArchitecture(), {}, join(scratch.folder, 'missing')),
    (error) => isNovaError(error, 'set_up_failed') && /sources/.test(error.message),
  );
});

test('what was built elsewhere is taken, and not built; what is not there is built', async () => {
  await using scratch = await scratchFolder();
  const source = await crate(scratch);
  const builds = await cargo(scratch);
  const asked: string[] = [];
  const fetchPrebuilt =
    (has: boolean): FetchPrebuilt =>
    async ({ kind, address, files }, folder) => {
      asked.push(`${kind} ${address}`);
      if (has) for (const file of files) await writeFile(join(folder, file), 'prebuilt\n');
      return has ? { kernel: null } : null;
    };
  const fetched = await guestAgent(scratch.layout, hostArchitecture(), { fetchPrebuilt: fetchPrebuilt(true) }, source);
  assert.equal(await readFile(fetched.path, 'utf8'), 'prebuilt\n');
  assert.equal((await stat(fetched.path)).mode & 0o777, 0o755);
  assert.deepEqual(asked, [`agent ${fetched.digest}`]);
  assert.equal(await builds(), 0);
  // Other sources give another agent.
  await writeFile(join(source, 'src/main.rs'), 'fn main() { }\n');
  const built = await guestAgent(scratch.layout, hostArchitecture(), { fetchPrebuilt: fetchPrebuilt(false) }, source);
  assert.equal(await readFile(built.path, 'utf8'), 'fn main() { }\n');
  assert.equal(await builds(), 1);
});
