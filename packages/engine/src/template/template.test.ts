import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError, type ErrorCode } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { createImageSource } from '../images/index.ts';
import { scratchFolder, type Scratch } from '../artifacts/testing/scratch.ts';
import { repositoryRoot, type Layout } from '../layout.ts';
import { inspectTemplate, listTemplates } from './inspect.ts';
import { loadTemplate } from '../images/load-template.ts';
import { removeTemplate } from './remove.ts';

const refuses = (layout: Layout, id: string, code: ErrorCode, pattern: RegExp): Promise<void> =>
  assert.rejects(loadTemplate(layout, id), (error) => {
    assert.ok(isNovaError(error, code), String(error));
    assert.match(error.message, pattern);
    return true;
  });

async function withTemplates(scratch: Scratch, files: Readonly<Record<string, string>>): Promise<Layout> {
  const parent = join(scratch.folder, 'templates');
  for (const [id, text] of Object.entries(files)) {
    await mkdir(join(parent, id), { recursive: true });
    await writeFile(join(parent, id, 'template.json'), text);
  }
  return { ...scratch.layout, templateDirectories: [parent] };
}

const json = (id: string, more: object = {}): string => JSON.stringify({ name: `The ${id}`, template_id: id, ...more });

test('the shipped templates can be read', async () => {
  await using scratch = await scratchFolder();
  const layout = { ...scratch.layout, templateDirectories: [join(repositoryRoot, 'templates')] };
  const infos = await listTemplates({ layout, images: createImageSource(layout) });
  assert.deepEqual(
    infos.map(({ id, problem }) => [id, problem]),
    [
      ['alpine-python', null],
      ['base', null],
      ['linux-default', null],
      ['minimal', null],
    ],
  );
  for (const { id, memoryMb, vcpus, diskSizeMb, built } of infos) {
    const sizes = id === 'minimal' ? { memoryMb: 256, diskSizeMb: 2048 } : { memoryMb: 512, diskSizeMb: 4096 };
    assert.deepEqual({ memoryMb, vcpus, diskSizeMb, built }, { ...sizes, vcpus: 1, built: false });
  }
});

test('names that are none, and templates that are not there, are told apart', async () => {
  await using scratch = await scratchFolder();
  const layout = await withTemplates(scratch, { good: json('good') });
  for (const name of ['../good', 'good/../good', '/etc', '..', '', '-x', 'a\0b', 'x'.repeat(65)]) {
    await refuses(layout, name, 'invalid_argument', /^template: /);
  }
  await refuses(layout, 'nonesuch', 'unknown_template', /"nonesuch"/);
  assert.equal((await loadTemplate(layout, 'good')).template.memory_mb, 512);
});

test('a damaged template.json names itself and the field', async () => {
  await using scratch = await scratchFolder();
  const layout = await withTemplates(scratch, {
    broken: '{"name": ',
    wrong: json('wrong', { memory_mb: 1, packages: ['--evil'] }),
    stray: json('other'),
    unknown: json('unknown', { colour: 'red' }),
    good: json('good'),
  });
  await refuses(layout, 'broken', 'invalid_argument', /broken\/template\.json is not JSON/);
  await refuses(
    layout,
    'wrong',
    'invalid_argument',
    /wrong\/template\.json: memory_mb: .*packages\.0: must be a Debian/,
  );
  await refuses(layout, 'stray', 'invalid_argument', /template_id is "other", but the folder is "stray"/);
  await refuses(layout, 'unknown', 'invalid_argument', /colour/);

  const infos = await listTemplates({ layout, images: createImageSource(layout) });
  assert.deepEqual(
    infos.map(({ id, problem }) => [id, problem === null]),
    [
      ['broken', false],
      ['good', true],
      ['stray', false],
      ['unknown', false],
      ['wrong', false],
    ],
  );
});

test('a folder may name its file as itself, and YAML files have templates by their names', async () => {
  await using scratch = await scratchFolder();
  const layout = await withTemplates(scratch, { good: json('good') });
  const [parent = ''] = layout.templateDirectories;
  await mkdir(join(parent, 'alpine-python'));
  // As a template of the seed has it.
  await writeFile(
    join(parent, 'alpine-python/alpine-python.json'),
    json('alpine-python', { required_files: ['vmlinux', 'rootfs.ext4'], disk_size_gb: 1.0, packages: ['curl'] }),
  );
  await writeFile(
    join(parent, 'machines.yaml'),
    'my_machine:\n  vcpus: 4\n  memory_mb: 2048\n  kernel: images/vmlinux.bin\n  rootfs: /images/rootfs.ext4\n' +
      '  boot_args: "console=ttyS0"\n  guest_agent:\n    enabled: true\n    port: 8080\nwrong: {vcpus: 1}\n',
  );
  const loaded = await loadTemplate(layout, 'my_machine');
  assert.deepEqual(loaded.files, { kernel: join(parent, 'images/vmlinux.bin'), root: '/images/rootfs.ext4' });
  assert.deepEqual([loaded.template.vcpus, loaded.template.memory_mb], [4, 2048]);
  assert.equal((await loadTemplate(layout, 'alpine-python')).template.disk_size_gb, 1);
  await refuses(layout, 'wrong', 'invalid_argument', /machines\.yaml: wrong: kernel/);
  const infos = await listTemplates({ layout, images: createImageSource(layout) });
  assert.deepEqual(
    infos.map(({ id, problem }) => [id, problem === null]),
    [
      ['alpine-python', true],
      ['good', true],
      ['my_machine', true],
      ['wrong', false],
    ],
  );
});

test('the first folder of a name counts', async () => {
  await using scratch = await scratchFolder();
  const shipped = await withTemplates(scratch, { base: json('base'), extra: json('extra') });
  const own = join(scratch.folder, 'own');
  await mkdir(join(own, 'base'), { recursive: true });
  await writeFile(join(own, 'base/template.json'), json('base', { memory_mb: 256 }));
  const layout = {
    ...shipped,
    templateDirectories: [own, join(scratch.folder, 'missing'), ...shipped.templateDirectories],
  };
  assert.equal((await loadTemplate(layout, 'base')).template.memory_mb, 256);
  assert.equal((await inspectTemplate({ layout, images: createImageSource(layout) }, 'extra')).source, 'files');
});

test('a template in use is not removed', async () => {
  await using scratch = await scratchFolder();
  const layout = await withTemplates(scratch, { good: json('good') });
  const sandbox = { id: 'abcd', name: 'mine', hypervisor: 'qemu', config: { templateId: 'good' } };
  const context = (sandboxes: unknown[]): EngineContext =>
    ({
      layout,
      drivers: new Map(),
      images: createImageSource(layout),
      store: { listSandboxes: () => sandboxes },
    }) as unknown as EngineContext;
  await assert.rejects(removeTemplate(context([sandbox]), 'good'), (error) => {
    assert.ok(isNovaError(error, 'invalid_state'));
    assert.match(error.message, /1 sandbox: mine/);
    return true;
  });
  await removeTemplate(context([{ ...sandbox, config: { templateId: 'other' } }]), 'good');
  await removeTemplate(context([]), 'good');
});
