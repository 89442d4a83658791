import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { InvalidArgumentError } from 'commander';
import { parseVolume } from '../args/volume.ts';
import { UsageError } from '../usage-error.ts';
import { noteOfCopies } from './copy-in.ts';
import { sortVolumes, withVolumes } from './sort.ts';

test('paths of the host and names of volumes are told apart as docker does', () => {
  const first = parseVolume('./src:/work');
  assert.deepEqual(parseVolume('/data:/data:ro', first), [
    { hostPath: './src', guestPath: '/work', readOnly: false },
    { hostPath: '/data', guestPath: '/data', readOnly: true },
  ]);
  assert.equal(parseVolume('.:/work:rw')[0]?.readOnly, false);
  assert.deepEqual(parseVolume('cache:/work:ro'), [{ name: 'cache', guestPath: '/work', readOnly: true }]);
  for (const text of ['', '/work', './src:', './src:work', './src:/work:z', './src:/work:ro:z', ':/work'])
    assert.throws(() => parseVolume(text), InvalidArgumentError, text);
});

test('a folder and a file are copied, an image and a volume are attached, and anything else is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nova-volumes-'));
  try {
    const [file, image] = [join(folder, 'file'), join(folder, 'image')];
    await writeFile(file, 'no image');
    execFileSync('mke2fs', ['-q', '-t', 'ext4', image, '4M']);
    const sorted = await sortVolumes(
      [`${folder}:/work`, `${file}:/etc/file:ro`, `${image}:/data`, `${image}:/more:ro`, 'cache:/c'].reduce<
        ReturnType<typeof parseVolume>
      >((before, text) => parseVolume(text, before), []),
    );
    assert.deepEqual(sorted, {
      named: [{ name: 'cache', path: '/c', readOnly: false }],
      copies: [
        { hostPath: folder, guestPath: '/work', readOnly: false, isFolder: true },
        { hostPath: file, guestPath: '/etc/file', readOnly: true, isFolder: false },
      ],
      drives: [
        { path: image, mountPath: '/data', fsType: 'ext4', readOnly: false },
        { path: image, mountPath: '/more', fsType: 'ext4', readOnly: true },
      ],
    });
    const before = { path: '/other.ext4', mountPath: '/mnt' };
    assert.deepEqual(withVolumes({ extraDrives: [before] }, sorted), {
      extraDrives: [before, ...sorted.drives],
      volumes: sorted.named,
    });
    assert.deepEqual(withVolumes({}, await sortVolumes()), {});
    await assert.rejects(sortVolumes(parseVolume(`${folder}/none:/work`)), UsageError);
    await assert.rejects(sortVolumes(parseVolume('/dev/null:/work')), /--volume: \/dev\/null is neither/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('that it is a copy is told once, with the command that takes changes out; :ro says that none are meant', () => {
  const copied = { hostPath: './src', guestPath: '/work', readOnly: false, isFolder: true };
  const stays = noteOfCopies([copied, { ...copied, guestPath: '/b' }, { ...copied, readOnly: true }], 'box', false);
  assert.match(stays ?? '', /^\/work and 1 more: a copy\..*"nova cp box:\/work\/\. \.\/src"/);
  assert.match(noteOfCopies([{ ...copied, isFolder: false }], 'box', true) ?? '', /go with it: "nova create -v"/);
  assert.equal(noteOfCopies([{ ...copied, readOnly: true }], 'box', true), null);
});
