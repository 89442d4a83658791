import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { describeFiles, manifestFile, readGoldenSnapshot, type GoldenManifest } from './manifest.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-manifest-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a snapshot whose manifest is damaged or of another version counts as missing, so that it is made again', async () => {
  writeFileSync(join(folder, 'ram'), 'memory');
  const manifest: GoldenManifest = {
    version: 1,
    templateId: 'base',
    architecture: 'amd64',
    madeBy: { hypervisor: 'qemu', key: 'key' },
    memoryMb: 512,
    diskSizeMb: 1024,
    diskExtents: null,
    files: await describeFiles(folder, ['ram']),
    createdAt: '2026-01-01T00:00:00.000Z',
    madeInMs: 1,
  };
  const readWith = async (text: string): Promise<GoldenManifest | undefined> => {
    writeFileSync(join(folder, manifestFile), text);
    return (await readGoldenSnapshot('digest', folder))?.manifest;
  };
  const text = JSON.stringify(manifest);
  assert.deepEqual(await readWith(text), manifest);
  const { madeBy: _, ...earlier } = manifest;
  for (const other of [{ ...manifest, version: 0 }, { ...manifest, version: 2 }, earlier, { ...manifest, later: true }])
    assert.equal(await readWith(JSON.stringify(other)), undefined, JSON.stringify(other));
  for (const damaged of ['', 'null', text.slice(0, 40)]) assert.equal(await readWith(damaged), undefined, damaged);
});
