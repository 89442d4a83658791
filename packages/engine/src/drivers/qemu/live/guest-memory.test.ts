import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openClonedMemory } from './guest-memory.ts';
import { dataOffset, writePagesFile } from './pages-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-pages-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const pageBytes = 4096;
const pages = 512;
const file = join(folder, 'ram');
writeFileSync(file, Buffer.alloc(pages * pageBytes, 7));

/** Acts as a VMM: maps the file privately and writes to some pages of it. */
const program = `
import mmap, sys
memory = mmap.mmap(int(sys.argv[1]), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
sum(memory[at] for at in range(0, len(memory), ${pageBytes}))
for page in map(int, sys.argv[2:]):
    memory[page * ${pageBytes}] = page % 256
print('ready', flush=True)
sys.stdin.read()
`;

const skip = process.platform !== 'linux' || process.arch !== 'x64' ? 'needs pages of 4 KiB' : false;

async function writerOf(changed: readonly number[]): Promise<{ pid: number } & AsyncDisposable> {
  const descriptor = openSync(file, 'r');
  const child = spawn('python3', ['-I', '-c', program, '3', ...changed.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit', descriptor],
  });
  assert.ok(child.stdin !== null && child.stdout !== null);
  const { stdin } = child;
  await once(child.stdout, 'data');
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const closed = once(child, 'close');
      stdin.end();
      await closed;
    },
  };
}

test(
  'the pages that a process has written to are found, runs that are close to each other as one',
  { skip },
  async () => {
    await using writer = await writerOf([1, 2, 3, 9, 200, 511]);
    await using memory = await openClonedMemory(writer.pid, file, pages * pageBytes);
    assert.ok(memory !== null);
    const runs = await memory.changedPages();
    // Between 3 and 9 are five pages, one more than a gap that is read too.
    assert.deepEqual(
      runs.map(({ offset, length }) => [offset / pageBytes, length / pageBytes]),
      [
        [1, 3],
        [9, 1],
        [200, 1],
        [511, 1],
      ],
    );

    const target = join(folder, 'pages');
    await using output = await open(target, 'wx');
    assert.equal(await writePagesFile(memory, runs, pages * pageBytes, output), 6 * pageBytes);
    const written = await readFile(target);
    assert.equal(written.toString('latin1', 0, 8), 'NOVAPAGE');
    assert.deepEqual(
      [8, 16, 24, 32, 40].map((at) => Number(written.readBigUInt64LE(at))),
      [pages * pageBytes, dataOffset(runs.length), runs.length, pageBytes, 3 * pageBytes],
    );
    const first = [1, 2, 3, 9, 200, 511].map((_, index) => written[dataOffset(runs.length) + index * pageBytes]);
    assert.deepEqual(first, [1, 2, 3, 9, 200, 255]);
    assert.equal(written[dataOffset(runs.length) + 1], 7);
  },
);

test('a process that maps another file, or not all of it, has no memory that could be read so', { skip }, async () => {
  await using writer = await writerOf([1]);
  const other = join(folder, 'other');
  writeFileSync(other, 'x');
  assert.equal(await openClonedMemory(writer.pid, other, pageBytes), null);
  assert.equal(await openClonedMemory(writer.pid, file, 2 * pages * pageBytes), null);
  assert.equal(await openClonedMemory(writer.pid, join(folder, 'gone'), pageBytes), null);
});
