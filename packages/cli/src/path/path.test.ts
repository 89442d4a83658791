import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { addFolderHint, completionHint, foundInPath, isInPath, type ShellFacts } from './hints.ts';
import { makeLink, removeLink, scriptOf } from './link.ts';

async function folders() {
  const root = await mkdtemp(join(tmpdir(), 'nova-path-'));
  const script = join(root, 'checkout/nova');
  await mkdir(join(root, 'checkout'));
  await writeFile(script, '#!/bin/sh\n', { mode: 0o755 });
  return {
    root,
    script,
    link: join(root, 'new/bin/nova'),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

const factsOf = (given: Partial<ShellFacts>): ShellFacts => ({ path: '', shell: '', home: '/home/ann', ...given });

test('a link is made once, in a folder that is made for it, and removed once', async () => {
  await using its = await folders();
  assert.equal(await removeLink(its.link, its.script), 'absent');
  assert.equal(await makeLink(its.link, its.script), 'made');
  assert.equal(await makeLink(its.link, its.script), 'present');
  assert.equal(await readlink(its.link), its.script);
  assert.equal(await removeLink(its.link, its.script), 'removed');
  assert.equal(await removeLink(its.link, its.script), 'absent');
  assert.equal(await lstat(its.link).catch(() => null), null);
});

test('of many that make it at once, one does and all succeed', async () => {
  await using its = await folders();
  const states = await Promise.all(Array.from({ length: 20 }, () => makeLink(its.link, its.script)));
  assert.ok(states.includes('made'));
  assert.equal(await readlink(its.link), its.script);
});

test('a link that leads there by way of another is ours', async () => {
  await using its = await folders();
  const between = join(its.root, 'between');
  await symlink('checkout/nova', between);
  await mkdir(join(its.root, 'new/bin'), { recursive: true });
  await symlink('../../between', its.link);
  assert.equal(await makeLink(its.link, its.script), 'present');
  assert.equal(await removeLink(its.link, its.script), 'removed');
  assert.equal(await readlink(between), 'checkout/nova');
});

test('what is not ours stays, whatever it is: a file, a folder, a link elsewhere, a link to nowhere', async () => {
  await using its = await folders();
  await mkdir(join(its.root, 'new/bin'), { recursive: true });
  const foreign: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => writeFile(its.link, 'theirs'), /is there already, and is not ours/],
    [() => mkdir(its.link), /is there already/],
    [() => symlink('/bin/sh', its.link), /leads to \/bin\/sh/],
    [() => symlink(join(its.root, 'gone/nova'), its.link), /leads to .*gone\/nova/],
  ];
  for (const [make, message] of foreign) {
    await make();
    const before = await lstat(its.link);
    for (const attempt of [makeLink, removeLink]) {
      await assert.rejects(attempt(its.link, its.script), (error) => {
        assert.ok(isNovaError(error, 'file_exists'));
        assert.match(error.message, message);
        assert.match(error.hint, /another folder/);
        return true;
      });
    }
    assert.equal((await lstat(its.link)).ino, before.ino);
    if (before.isFile()) assert.equal(await readFile(its.link, 'utf8'), 'theirs');
    await rm(its.link, { recursive: true });
  }
});

test(
  'a folder that may not be written to is told',
  { skip: process.getuid?.() === 0 ? 'root may write anywhere' : false },
  async () => {
    await using its = await folders();
    await mkdir(join(its.root, 'new'), { mode: 0o500 });
    await assert.rejects(makeLink(its.link, its.script), (error) => isNovaError(error, 'permission_denied'));
    await chmod(join(its.root, 'new'), 0o700);
  },
);

test('a folder that cannot be one is told', async () => {
  await using its = await folders();
  await writeFile(join(its.root, 'new'), '');
  for (const link of [its.link, '/proc/nothing/below/nova'])
    await assert.rejects(makeLink(link, its.script), (error) => isNovaError(error, 'permission_denied'));
});

test('the cache of npx is nothing to lead to', () => {
  assert.equal(scriptOf('/opt/novasandbox'), '/opt/novasandbox/nova');
  assert.throws(
    () => scriptOf('/home/ann/.npm/_npx/1f2e/node_modules/novasandbox'),
    (error) => isNovaError(error, 'feature_unsupported'),
  );
});

test('what is left to do is told in the words of the shell', async () => {
  const folder = '/home/ann/.local/bin';
  const told = ['/bin/bash', '/usr/bin/zsh', '/usr/bin/fish', '/bin/sh'].map((shell) =>
    addFolderHint(folder, factsOf({ shell })),
  );
  assert.deepEqual(told, [
    `echo 'export PATH="$HOME/.local/bin:$PATH"' >> ~/.bashrc`,
    `echo 'export PATH="$HOME/.local/bin:$PATH"' >> ~/.zshrc`,
    'fish_add_path "$HOME/.local/bin"',
    `echo 'export PATH="$HOME/.local/bin:$PATH"' >> ~/.profile`,
  ]);
  assert.match(completionHint(factsOf({ shell: '/bin/zsh' })) ?? '', /nova completion zsh/);
  assert.equal(completionHint(factsOf({ shell: '/bin/sh' })), null);
  await using its = await folders();
  const path = `/nonexistent:${join(its.root, 'checkout')}:`;
  assert.equal(foundInPath(factsOf({ path })), its.script);
  assert.equal(foundInPath(factsOf({ path: '/nonexistent' })), null);
  assert.ok(isInPath(`${its.root}/checkout/`, factsOf({ path })));
  assert.ok(!isInPath(its.root, factsOf({ path })));
});
