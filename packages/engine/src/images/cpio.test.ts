import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { cpioArchive, type ArchiveEntry } from './cpio.ts';
import { initramfsArchive } from './initramfs.ts';

const entries: ArchiveEntry[] = [
  { path: 'init', type: 'file', mode: 0o755, content: Buffer.from('#!/agent') },
  { path: 'dev', type: 'directory', mode: 0o755 },
  { path: 'dev/console', type: 'character-device', mode: 0o600, major: 5, minor: 1 },
  { path: 'odd', type: 'file', mode: 0o644, content: Buffer.from('12345') },
  { path: 'empty', type: 'file', mode: 0o644, content: Buffer.alloc(0) },
];

interface Parsed {
  readonly path: string;
  readonly mode: number;
  readonly time: number;
  readonly device: string;
  readonly content: string;
}

/** Reads an archive as the format is specified (cpio(5), "New ASCII Format"). */
function parseArchive(archive: Buffer): Parsed[] {
  const found: Parsed[] = [];
  for (let at = 0; ;) {
    assert.equal(archive.toString('latin1', at, at + 6), '070701', `magic at ${at}`);
    const field = (index: number): number =>
      parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + 110 + field(11);
    const path = archive.toString('utf8', at + 110, nameEnd - 1);
    assert.equal(archive[nameEnd - 1], 0);
    const start = Math.ceil(nameEnd / 4) * 4;
    if (path === 'TRAILER!!!') {
      assert.equal(start, archive.length);
      return found;
    }
    const end = start + field(6);
    found.push({
      path,
      mode: field(1),
      time: field(5),
      device: `${field(9)}:${field(10)}`,
      content: archive.toString('latin1', start, end),
    });
    at = Math.ceil(end / 4) * 4;
  }
}

test('an archive holds what it was given, sorted', () => {
  assert.deepEqual(parseArchive(cpioArchive(entries)), [
    { path: 'dev', mode: 0o040755, time: 0, device: '0:0', content: '' },
    { path: 'dev/console', mode: 0o020600, time: 0, device: '5:1', content: '' },
    { path: 'empty', mode: 0o100644, time: 0, device: '0:0', content: '' },
    { path: 'init', mode: 0o100755, time: 0, device: '0:0', content: '#!/agent' },
    { path: 'odd', mode: 0o100644, time: 0, device: '0:0', content: '12345' },
  ]);
});

test('the same entries in another order give the same bytes', () => {
  assert.deepEqual(cpioArchive(entries.toReversed()), cpioArchive(entries));
});

test('the tool cpio reads it', (t) => {
  const { status, stdout, error } = spawnSync('cpio', ['-it', '--quiet'], { input: cpioArchive(entries) });
  if (error !== undefined) {
    t.skip('cpio is not installed');
    return;
  }
  assert.equal(status, 0);
  assert.equal(stdout.toString(), 'dev\ndev/console\nempty\ninit\nodd\n');
});

test('an initramfs has the agent, the modules and their order', () => {
  const modules = [
    { name: 'virtio_ring', content: Buffer.from('ring') },
    { name: 'virtio', content: Buffer.from('virtio') },
  ];
  const onDemand = [{ path: 'on-demand', type: 'directory', mode: 0o755 } as const];
  const files = Object.fromEntries(
    parseArchive(initramfsArchive(Buffer.from('agent'), modules, onDemand)).map((e) => [e.path, e.content]),
  );
  assert.deepEqual(files, {
    dev: '',
    'dev/console': '',
    init: 'agent',
    modules: '',
    'modules/order': 'virtio_ring.ko\nvirtio.ko\n',
    'modules/virtio.ko': 'virtio',
    'modules/virtio_ring.ko': 'ring',
    'on-demand': '',
  });
});
