import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { keptVerdict, type VerdictOptions } from './verdict.ts';

interface Verdict {
  readonly works: boolean;
  readonly round: number;
}

const schema = z.object({ works: z.boolean(), round: z.int() });

async function probing(): Promise<
  AsyncDisposable & {
    probe(works: boolean, more?: Partial<VerdictOptions<Verdict>>): Promise<Verdict>;
    /** Replaces what is kept. */
    spoil(kept: string): Promise<void>;
  }
> {
  const directory = await mkdtemp(join(tmpdir(), 'nova-verdict-'));
  const binary = join(directory, 'vmm');
  await writeFile(binary, 'a VMM');
  let round = 0;
  return {
    probe: (works, more = {}) =>
      keptVerdict<Verdict>(
        { directory, name: 'vmm', binary, schema, fresh: false, works: (verdict) => verdict.works, ...more },
        () => Promise.resolve({ works, round: ++round }),
      ),
    async spoil(kept) {
      const files = (await readdir(directory)).filter((name) => name.endsWith('.json'));
      assert.equal(files.length, 1);
      await writeFile(join(directory, files[0] ?? ''), kept);
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

test('a probe that succeeded is not made again', async () => {
  await using vmm = await probing();
  assert.equal((await vmm.probe(true)).round, 1);
  assert.equal((await vmm.probe(true)).round, 1);
  assert.equal((await vmm.probe(true, { fresh: true })).round, 2);
  assert.equal((await vmm.probe(true)).round, 2);
});

test('a failed probe is not kept', async () => {
  await using vmm = await probing();
  assert.equal((await vmm.probe(false)).works, false);
  assert.equal((await vmm.probe(true)).works, true);
});

test('a probe is made again when what it depends on has changed', async () => {
  await using vmm = await probing();
  await vmm.probe(true, { basis: ['machine 1'] });
  assert.equal((await vmm.probe(true, { basis: ['machine 1'] })).round, 1);
  assert.equal((await vmm.probe(true, { basis: ['machine 2'] })).round, 2);
  assert.equal((await vmm.probe(true, { basis: ['machine 1'], outlivesBoot: true })).round, 3);
});

test('a verdict that is doubted is believed for a while, and then found again', async (context) => {
  await using vmm = await probing();
  let now = Date.now();
  context.mock.method(Date, 'now', () => now);
  const doubted = { keptForMs: () => 1000 };
  assert.equal((await vmm.probe(true, doubted)).round, 1);
  assert.equal((await vmm.probe(true, doubted)).round, 1);
  now += 1001;
  assert.equal((await vmm.probe(true, doubted)).round, 2);
});

test('many may write one verdict at once', async () => {
  await using vmm = await probing();
  const found = await Promise.all(Array.from({ length: 20 }, () => vmm.probe(true)));
  assert.equal(found.length, 20);
});

test('a kept verdict that is damaged, or of another shape than this version has, is found again', async () => {
  await using vmm = await probing();
  await vmm.probe(true);
  for (const [round, kept] of ['', '{"verdict":', 'null', '{}', '{"verdict":{"works":true},"until":null}'].entries()) {
    await vmm.spoil(kept);
    assert.equal((await vmm.probe(true)).round, round + 2, kept);
  }
});
