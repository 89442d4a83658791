import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { scratchFolder } from '../artifacts/testing/scratch.ts';
import { hostArchitecture } from '../architecture.ts';
import { runCommand } from '../programs/command.ts';
import { templateNameFor, withDeclared } from './declared.ts';
import { loadTemplate, templateIds } from './load-template.ts';
import { makeImage } from './oci/testing/make-image.ts';
import { rootImage } from './root-image.ts';

const noGuest = (): Promise<string> => Promise.reject(new Error('no guest is needed'));
const failing = (): Promise<void> => Promise.reject(new Error('it cannot be had'));

test('a template of an image is there while it is worked on, and stays only if that succeeds', async () => {
  await using scratch = await scratchFolder();
  const { layout } = scratch;
  const ids = (): Promise<string[]> => templateIds({ ...layout, templateDirectories: [layout.oci.templates] });
  await assert.rejects(withDeclared(layout, 'mine', 'alpine:1', failing), /cannot be had/);
  assert.deepEqual(await ids(), []);
  await withDeclared(layout, 'mine', 'alpine:1', async () => assert.deepEqual(await ids(), ['mine']));
  const image = async (): Promise<unknown> => (await loadTemplate(layout, 'mine')).template.source;
  const first = { type: 'oci', image: 'docker.io/library/alpine:1' };
  assert.deepEqual(await image(), first);
  await assert.rejects(withDeclared(layout, 'mine', 'alpine:2', failing), /cannot be had/);
  assert.deepEqual(await image(), first, 'it has its former image again');
  await withDeclared(layout, 'mine', 'alpine:2', () => Promise.resolve());
  assert.deepEqual(await image(), { ...first, image: 'docker.io/library/alpine:2' });
  await assert.rejects(withDeclared(layout, 'base', 'alpine', failing), (error) => isNovaError(error, 'conflict'));
});

test('names of templates say which image it is, whatever the image is called', () => {
  assert.match(templateNameFor('alpine:3.22'), /^alpine-3-22-[0-9a-f]{8}$/);
  assert.match(templateNameFor('ghcr.io/owner/name'), /^name-latest-[0-9a-f]{8}$/);
  assert.match(templateNameFor('/srv/.Ä/'), /^image-[0-9a-f]{8}$/);
  assert.notEqual(templateNameFor('a/name'), templateNameFor('b/name'));
  assert.equal(templateNameFor('alpine'), templateNameFor('docker.io/library/alpine:latest'));
});

test('a path may be a file system, which is taken as it is, or an archive', async () => {
  await using scratch = await scratchFolder();
  const { layout, folder } = scratch;
  const disk = join(folder, 'root.ext4');
  await writeFile(disk, '');
  await runCommand('mke2fs', ['-q', '-F', '-t', 'ext4', disk, '4M']);
  await withDeclared(layout, 'disk', disk, async () => {
    const made = await rootImage(layout, await loadTemplate(layout, 'disk'), noGuest, {});
    assert.deepEqual(await readFile(made.path), await readFile(disk));
  });
  const archive = join(folder, 'root.tar');
  const [layer] = makeImage([[{ name: 'a', content: 'a' }]], {
    architecture: hostArchitecture().name,
    packed: 'none',
  }).layers;
  await writeFile(archive, layer?.bytes ?? '');
  await withDeclared(layout, 'archive', archive, async () => {
    const loaded = await loadTemplate(layout, 'archive');
    assert.deepEqual(loaded.template.source, { type: 'oci', image: archive });
    await rootImage(layout, loaded, noGuest, {});
  });
});
