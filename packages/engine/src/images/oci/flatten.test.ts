import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { isNovaError, type ErrorCode } from '@novasandbox/protocol';
import { scratchFolder, type Scratch } from '../../artifacts/testing/scratch.ts';
import { hostArchitecture } from '../../architecture.ts';
import { runCommand } from '../../programs/command.ts';
import type { LoadedTemplate } from '../../ports/image-source.ts';
import { rootImage } from '../root-image.ts';
import { imageRecord } from './record.ts';
import { layoutOf, makeImage, makeTar, type MadeEntry, type MadeImage, type Packed } from './testing/make-image.ts';

const architecture = hostArchitecture().name;
const noGuest = (): Promise<string> => Promise.reject(new Error('no guest is needed for an OCI image'));

/** Puts an image into a folder in the OCI layout, and gives a template that is made of it. */
async function templateOf(scratch: Scratch, id: string, image: MadeImage): Promise<LoadedTemplate> {
  const folder = join(scratch.folder, id);
  for (const [name, bytes] of Object.entries(layoutOf(image))) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  return scratch.template({ template_id: id, source: { type: 'oci', image: folder } });
}

type Layers = readonly (readonly MadeEntry[])[];

async function build(scratch: Scratch, layers: Layers, packed: Packed = 'gzip'): Promise<string> {
  const template = await templateOf(scratch, 'made', makeImage(layers, { packed, architecture }));
  return (await rootImage(scratch.layout, template, noGuest, {})).path;
}

const debugfs = (image: string, command: string): Promise<string> => runCommand('debugfs', ['-R', command, image]);

/** Names in a folder of an image with inode, mode, owner and size. Bytes that are no ASCII are written as `%xx`. */
async function list(image: string, folder: string): Promise<Record<string, string>> {
  const text = await debugfs(image, `ls -p ${folder}`);
  const rows = [...text.matchAll(/^\/(\d+)\/(\d+)\/(\d+)\/(\d+)\/(.*)\/(\d*)\/$/gm)];
  return Object.fromEntries(
    rows
      .filter(([, , , , , name]) => name !== '.' && name !== '..')
      .map(([, inode, mode, uid, gid, name, size]) => [name ?? '', `${mode} ${uid}:${gid} ${size ?? ''} #${inode}`]),
  );
}

async function contentOf(image: string, path: string): Promise<string> {
  return debugfs(image, `cat ${path}`);
}

async function refuses(layers: Layers | MadeImage, code: ErrorCode, pattern: RegExp): Promise<void> {
  await using scratch = await scratchFolder();
  const image = 'blobs' in layers ? layers : makeImage(layers, { architecture });
  const template = await templateOf(scratch, 'made', image);
  await assert.rejects(rootImage(scratch.layout, template, noGuest, {}), (error) => {
    assert.ok(isNovaError(error, code), String(error));
    assert.match(error.message, pattern);
    return true;
  });
  // Nothing half is left, and what is whole may stay for the next try.
  assert.deepEqual(
    (await runCommand('find', [scratch.layout.workDirectory, '-mindepth', '1', '!', '-name', '*.lock'])).trim(),
    '',
  );
}

test('whiteouts and opaque folders remove what lower layers have, and nothing of their own layer', async () => {
  await using scratch = await scratchFolder();
  const image = await build(scratch, [
    [
      { name: 'd/', type: '5', mode: 0o700, uid: 7 },
      { name: 'd/gone', content: 'a' },
      { name: 'd/kept', content: 'a' },
      { name: 'o/below', content: 'a' },
      { name: 'o/sub/below', content: 'a' },
      { name: 'whole/x', content: 'a' },
    ],
    [
      // The marks come after what they must not remove.
      { name: 'd/new', content: 'b' },
      { name: 'd/.wh.gone' },
      { name: 'd/.wh.new' },
      { name: 'o/own', content: 'b' },
      { name: 'o/.wh..wh..opq' },
      { name: '.wh.whole' },
      { name: '.wh..wh.plnk/', type: '5' },
    ],
  ]);
  assert.deepEqual(Object.keys(await list(image, '/d')).toSorted(), ['kept', 'new']);
  assert.deepEqual(Object.keys(await list(image, '/o')), ['own']);
  const root = await list(image, '/');
  assert.ok(!('whole' in root) && !Object.keys(root).some((name) => name.startsWith('.wh')));
  assert.match(root['d'] ?? '', /^040700 7:0 /);
  for (const name of ['dev', 'proc', 'sys', 'run', 'tmp', 'etc'])
    assert.ok(name in root, `${name} is there to be mounted at`);
  assert.match(root['tmp'] ?? '', /^041777 0:0 /);
});

test('a hard link stays with the file that its target was, though another one gets that name later', async () => {
  await using scratch = await scratchFolder();
  const image = await build(scratch, [
    [
      { name: 'first', content: 'old', mode: 0o640, uid: 5 },
      { name: 'second', type: '1', link: 'first' },
      { name: 'third', type: '1', link: './second' },
    ],
    [{ name: 'first', content: 'new!' }],
  ]);
  const root = await list(image, '/');
  assert.equal(await contentOf(image, '/first'), 'new!');
  assert.equal(await contentOf(image, '/second'), 'old');
  assert.match(root['second'] ?? '', /^100640 5:0 3 /);
  assert.equal(root['third'], root['second'], 'both are names of one inode');
});

test('attributes, owners, modes, devices, pipes and names are kept byte for byte', async () => {
  await using scratch = await scratchFolder();
  // Bytes that are no UTF-8, and a line end, which text would lose.
  const capability = Buffer.from([1, 0, 0, 2, 0x80, 0x0a, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const long = `${'x'.repeat(120)}/${'y'.repeat(255)}`;
  const image = await build(scratch, [
    [
      { name: 'ping', content: 'p', mode: 0o4755, attributes: { 'security.capability': capability } },
      { name: 'b\xff\xe4d', content: 'odd' },
      { name: ' lead\nline', content: 'odd' },
      { name: '-rf', content: 'odd' },
      { name: long, content: 'long' },
      { name: 'link', type: '2', link: `/${'t'.repeat(200)}` },
      { name: 'null', type: '3', major: 1, minor: 3, mode: 0o666, uid: 9 },
      { name: 'pipe', type: '6', mode: 0o600 },
      { name: 'big', content: 'owned', uid: 3_000_000, gid: 65_534 },
    ],
  ]);
  const root = await list(image, '/');
  assert.match(root['ping'] ?? '', /^104755 0:0 1 /);
  assert.match(root['null'] ?? '', /^020666 9:0 /);
  assert.match(root['pipe'] ?? '', /^010600 0:0 /);
  assert.match(root['big'] ?? '', /^100644 3000000:65534 5 /);
  assert.match(await debugfs(image, 'stat /null'), /Device major\/minor number: 01:03/);
  const file = join(scratch.folder, 'attribute');
  await debugfs(image, `ea_get -f ${file} /ping security.capability`);
  assert.deepEqual(await readFile(file), capability);
  assert.equal(await contentOf(image, `/${long}`), 'long');
  assert.match(await debugfs(image, 'stat /link'), /Type: symlink.*Size: 201/s);
  const raw = await readFile(image, 'latin1');
  for (const name of ['b\xff\xe4d', ' lead\nline', '-rf']) assert.ok(raw.includes(name), JSON.stringify(name));
});

test('a folder takes the place of a link that is in its way, and a path never leads through one', async () => {
  await using scratch = await scratchFolder();
  const image = await build(scratch, [
    [
      { name: 'lib', type: '2', link: '/etc' },
      { name: 'file', content: 'f' },
    ],
    [
      { name: '/lib/inside', content: 'i' },
      { name: 'file/below', content: 'b' },
    ],
  ]);
  assert.deepEqual(Object.keys(await list(image, '/lib')), ['inside']);
  assert.deepEqual(Object.keys(await list(image, '/file')), ['below']);
  assert.deepEqual(Object.keys(await list(image, '/etc')), []);
});

for (const packed of ['none', 'gzip', 'zstd', 'zstd frames'] as const) {
  test(`thirty layers packed as ${packed}`, async () => {
    await using scratch = await scratchFolder();
    const layers = Array.from({ length: 30 }, (_, index) => [
      { name: `layer${index}`, content: `${index}`.repeat(900) },
      { name: 'last', content: `of ${index}` },
    ]);
    const image = await build(scratch, layers, packed);
    const names = Object.keys(await list(image, '/')).filter((name) => name.startsWith('layer'));
    assert.equal(names.length, 30);
    assert.equal(await contentOf(image, '/last'), 'of 29');
    assert.equal(await contentOf(image, '/layer7'), '7'.repeat(900));
  });
}

test('paths that lead out of the root, and links to nothing, are refused', async () => {
  await refuses([[{ name: '../evil', content: 'x' }]], 'image_invalid', /"\.\.\/evil"/);
  await refuses([[{ name: 'a/../../evil', content: 'x' }]], 'image_invalid', /leads elsewhere/);
  await refuses([[{ name: 'a/.wh...', content: '' }]], 'image_invalid', /leads elsewhere/);
  await refuses([[{ name: 'a', type: '1', link: '../../etc/shadow' }]], 'image_invalid', /leads elsewhere/);
  await refuses([[{ name: 'a', type: '1', link: 'nowhere' }]], 'image_invalid', /hard link to "nowhere"/);
  await refuses([[{ name: 'n'.repeat(256), content: '' }]], 'image_invalid', /too long/);
  await refuses([[{ name: 'x', pax: { path: 'a\0b' } }]], 'image_invalid', /zero byte/);
  await refuses([[{ name: 'x', type: 'V' }]], 'image_invalid', /unknown type "V"/);
  await refuses([[{ name: 's', type: 'S' }]], 'image_invalid', /sparse/);
});

test('layers that are cut off, damaged, or not those of the config are refused', async () => {
  const whole = makeTar([{ name: 'a', content: 'x'.repeat(5000) }]);
  await refuses(makeImage([whole.subarray(0, 2000)], { architecture }), 'image_invalid', /ends within a file/);
  await refuses(makeImage([Buffer.alloc(2048, 'no tar')], { architecture }), 'image_invalid', /no tar archive/);
  const one = makeImage([[{ name: 'a', content: 'a' }]], { architecture });
  const other = makeImage([[{ name: 'a', content: 'b' }]], { architecture });
  const swapped = makeImage([[{ name: 'a', content: 'a' }]], {
    architecture,
    change: (manifest) => ({
      ...manifest,
      layers: other.layers.map(({ digest, bytes }) => ({ digest, size: bytes.length })),
    }),
  });
  const mixed = { ...swapped, blobs: [swapped.manifest, swapped.config, ...other.layers] };
  await refuses(mixed, 'checksum_mismatch', /unpacks to/);
  const fewer = { ...one, ...makeImage([[{ name: 'a' }]], { architecture, change: (m) => ({ ...m, layers: [] }) }) };
  await refuses(fewer, 'image_invalid', /0 layers, and its config names 1/);
  await refuses(makeImage([[]], { architecture: 's390x' }), 'image_not_found', /for linux\/s390x/);
});

test('an image that unpacks to more than is allowed is given up', async () => {
  await using scratch = await scratchFolder();
  const template = await templateOf(
    scratch,
    'bomb',
    makeImage([[{ name: 'zeros', content: Buffer.alloc(64 * 1024 * 1024) }]], { architecture }),
  );
  const limited = (limits: object): Promise<void> => writeFile(scratch.layout.oci.settings, JSON.stringify({ limits }));
  await limited({ image_gb: 0.01 });
  await assert.rejects(rootImage(scratch.layout, template, noGuest, {}), (error) => {
    assert.ok(isNovaError(error, 'image_invalid'), String(error));
    assert.match(error.message, /more than 0\.01 GiB/);
    return true;
  });
  await limited({ files: 1 });
  const many = await templateOf(scratch, 'many', makeImage([[{ name: 'a' }, { name: 'b' }]], { architecture }));
  await assert.rejects(rootImage(scratch.layout, many, noGuest, {}), /more than 1 files/);
});

test('an archive of docker save, of the OCI layout, and of a root are images', async () => {
  await using scratch = await scratchFolder();
  const image = makeImage([[{ name: 'hello', content: 'hi' }]], {
    architecture,
    packed: 'none',
    config: { Env: ['A=b'] },
  });
  const files = Object.entries(layoutOf(image)).map(([name, content]) => ({ name, content }));
  const [layer] = image.layers;
  const saved = [
    { name: 'abc.json', content: image.config.bytes },
    { name: `${'0'.repeat(64)}/layer.tar`, content: layer?.bytes ?? '' },
    {
      name: 'manifest.json',
      content: JSON.stringify([{ Config: 'abc.json', Layers: [`${'0'.repeat(64)}/layer.tar`] }]),
    },
  ];
  const { gzipSync } = await import('node:zlib');
  const archives = {
    layout: makeTar(files),
    packed: gzipSync(makeTar(files)),
    saved: makeTar(saved),
    root: layer?.bytes ?? Buffer.of(),
  };
  const roots = new Set<string>();
  for (const [name, bytes] of Object.entries(archives)) {
    const path = join(scratch.folder, `${name}.tar`);
    await writeFile(path, bytes);
    const template = await scratch.template({ template_id: name, source: { type: 'oci', image: path } });
    const made = await rootImage(scratch.layout, template, noGuest, {});
    assert.equal(await contentOf(made.path, '/hello'), 'hi', name);
    roots.add(made.digest);
    if (name !== 'root')
      assert.equal(imageRecord(scratch.layout, { id: name, image: path, architecture })?.env['A'], 'b', name);
  }
  assert.equal(roots.size, 1, 'the same layers are one root image');
  const [only] = roots;
  assert.equal((await stat(join(scratch.layout.rootfs(only ?? ''), 'rootfs.ext4'))).mode & 0o777, 0o644);
});
