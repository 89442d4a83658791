import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Sandbox, type WorkspaceChange, type WorkspaceDiff } from 'novasandbox';
import { sdkUnderTest } from '../support/sdk.ts';

interface Project extends Disposable {
  readonly path: string;
  write(file: string, content: string | Uint8Array): void;
  read(file: string): string;
}

/** A folder of the host; `git` makes it a repository with one commit. */
function project(files: Readonly<Record<string, string>>, { git = false } = {}): Project {
  const path = mkdtempSync(join(tmpdir(), 'nova-project-'));
  const write = (file: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    writeFileSync(join(path, file), content);
  };
  for (const [file, content] of Object.entries(files)) write(file, content);
  if (git) {
    const run = (...args: string[]): void => void execFileSync('git', ['-C', path, ...args]);
    run('init', '-q', '-b', 'main');
    run('add', '-A');
    run('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-qm', 'first');
  }
  return {
    path,
    write,
    read: (file) => readFileSync(join(path, file), 'utf8'),
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}

const numbered = (count: number): string => Array.from({ length: count }, (_, at) => `line ${at}\n`).join('');
const kinds = ({ changes }: WorkspaceDiff): Record<string, string> =>
  Object.fromEntries(changes.map(({ path, kind }) => [path, kind]));
const named = ({ changes }: WorkspaceDiff, path: string): WorkspaceChange =>
  changes.find((change) => change.path === path) ?? assert.fail(`no change of ${path}`);
const paths = (list: readonly { readonly path: string }[]): string[] => list.map(({ path }) => path);

test('a folder is pushed, worked on, reviewed and applied', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  using folder = project(
    {
      'main.txt': numbered(40),
      'both.txt': '1\n2\n3\n',
      'mode.txt': 'mode\n',
      'gone.txt': 'gone\n',
      'deep/gone/too.txt': 'gone\n',
      'binary.bin': 'a\0b',
      '.gitignore': 'node_modules\n',
      'node_modules/here/index.js': '',
      '.env': 'TOKEN=secret',
    },
    { git: true },
  );
  mkdirSync(join(folder.path, 'empty'));
  chmodSync(join(folder.path, 'mode.txt'), 0o640);
  symlinkSync('main.txt', join(folder.path, 'link'));

  const pushed = await sandbox.workspace.push(folder.path);
  assert.equal(pushed.guestPath, '/workspace');
  assert.deepEqual(pushed.leftOut, [{ path: '.env', kind: 'secret', reason: pushed.leftOut[0]?.reason }]);
  const run = async (script: string) => (await sandbox.commands.run(script, { cwd: '/workspace' })).stdout;
  assert.equal(
    await run('stat -c "%n %a %U" mode.txt empty; readlink link; ls -A'),
    [
      'mode.txt 640 user',
      'empty 755 user',
      'main.txt',
      ...['.git', '.gitignore', 'binary.bin', 'both.txt', 'deep', 'empty', 'gone.txt', 'link', 'main.txt', 'mode.txt'],
      '',
    ].join('\n'),
  );
  // The guest has the history too.
  assert.equal(await run('git log --format=%s; git status --short'), 'first\n D .env\n?? link\n');
  assert.deepEqual((await sandbox.workspace.diff()).changes, []);

  await run(`sed -i 's/line 3$/line three/; s/line 30$/line thirty/' main.txt
    echo 4 >> both.txt; chmod 755 mode.txt; rm -r gone.txt deep; printf 'a\\0c' > binary.bin
    mkdir -p new/folder node_modules/other; echo new > new/folder/file.txt; touch node_modules/other/index.js
    rm link; ln -s both.txt link`);
  folder.write('both.txt', '1\n2\n3\n5\n');
  folder.write('main.txt', folder.read('main.txt').replace('line 20\n', 'line twenty\n'));

  const diff = await sandbox.workspace.diff();
  assert.deepEqual(kinds(diff), {
    'binary.bin': 'modified',
    'both.txt': 'modified',
    'deep/gone/too.txt': 'deleted',
    'gone.txt': 'deleted',
    link: 'modified',
    'main.txt': 'modified',
    'mode.txt': 'mode',
    'new/folder/file.txt': 'added',
  });
  assert.equal(named(diff, 'main.txt').merges, true);
  assert.match(named(diff, 'main.txt').patch, /^-line 3\n\+line three$/m);
  assert.match(named(diff, 'binary.bin').patch, /^Changed from file of 3 bytes/);
  assert.match(named(diff, 'both.txt').conflict ?? '', /same lines/);
  assert.match(named(diff, 'both.txt').patch, /\+<<<<<<< host\n 5\n\+=======\n\+4\n\+>>>>>>> guest/);
  assert.deepEqual(named(diff, 'mode.txt').flags, ['becomes a program']);

  // One hunk first; the rest later.
  const first = await sandbox.workspace.apply({ reviewed: diff, hunks: { 'main.txt': [1] }, paths: ['main.txt'] });
  assert.deepEqual(first.applied, ['main.txt']);
  const halfway = numbered(40).replace('line 20\n', 'line twenty\n').replace('line 30\n', 'line thirty\n');
  assert.equal(folder.read('main.txt'), halfway);
  assert.equal(named(await sandbox.workspace.diff(), 'main.txt').hunks.length, 1);

  const planned = await sandbox.workspace.apply({ dryRun: true });
  const rest = ['binary.bin', 'deep/gone/too.txt', 'gone.txt', 'link', 'main.txt', 'new/folder/file.txt'];
  assert.deepEqual(planned.applied.toSorted(), rest);
  assert.equal(folder.read('main.txt'), halfway);
  const applied = await sandbox.workspace.apply();
  assert.deepEqual(applied.applied, rest);
  assert.deepEqual([paths(applied.conflicts), paths(applied.flagged)], [['both.txt'], ['mode.txt']]);
  assert.equal(folder.read('main.txt'), halfway.replace('line 3\n', 'line three\n'));
  assert.equal(folder.read('both.txt'), '1\n2\n3\n5\n');
  assert.equal(folder.read('new/folder/file.txt'), 'new\n');
  assert.equal(readlinkSync(join(folder.path, 'link')), 'both.txt');
  assert.deepEqual([existsSync(join(folder.path, 'gone.txt')), existsSync(join(folder.path, 'deep'))], [false, false]);
  assert.equal(existsSync(join(folder.path, 'node_modules/other')), false);

  // A second time nothing is left but what needs a decision.
  const again = await sandbox.workspace.apply();
  assert.deepEqual([again.applied, paths(again.conflicts)], [[], ['both.txt']]);
  const decided = await sandbox.workspace.apply({ allowFlagged: ['mode.txt'], resolve: { 'both.txt': 'guest' } });
  assert.deepEqual(decided.applied, ['both.txt', 'mode.txt']);
  assert.equal(folder.read('both.txt'), '1\n2\n3\n4\n');
  assert.equal(lstatSync(join(folder.path, 'mode.txt')).mode & 0o777, 0o755);
  assert.deepEqual((await sandbox.workspace.diff()).changes, []);

  // What the host has on top goes back, and only that.
  const back = await sandbox.workspace.push(folder.path);
  assert.deepEqual([back.sentFiles, back.conflicts], [1, []]);
  assert.equal(await run('cat main.txt'), folder.read('main.txt'));
});

test('a push sends what has changed, and replaces no work of the guest', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  using folder = project({ 'a/one': '1', 'a/two': '2', 'b/three': '3', theirs: 'x', same: 'x', turns: 'file' });
  const run = async (script: string) => (await sandbox.commands.run(script, { cwd: '/workspace' })).stdout;
  const messages: string[] = [];
  const onProgress = ({ step }: { step: string }): void => void messages.push(step);
  assert.equal((await sandbox.workspace.push(folder.path, { onProgress })).sentFiles, 6);
  assert.ok(messages.includes('workspace-send'));
  assert.deepEqual((await sandbox.workspace.push(folder.path)).sentFiles, 0);

  await run('echo guest > theirs; echo same > same; mkdir b/own; echo own > b/own/file; rm a/two');
  for (const file of ['theirs', 'same']) folder.write(file, `${file === 'same' ? 'same' : 'host'}\n`);
  folder.write('a/one', 'one');
  folder.write('a/two', 'changed');
  rmSync(join(folder.path, 'b'), { recursive: true });
  rmSync(join(folder.path, 'turns'));
  folder.write('turns/into', 'a folder');
  const pushed = await sandbox.workspace.push(folder.path);
  assert.deepEqual(paths(pushed.conflicts).toSorted(), ['a/two', 'theirs']);
  assert.deepEqual([pushed.sentFiles, pushed.removed], [2, 2]);
  assert.equal(await run('cat a/one theirs same turns/into; ls -A b'), 'oneguest\nsame\na folderown\n');
  // What the guest has below a folder that is gone here is an addition of the guest.
  assert.deepEqual(kinds(await sandbox.workspace.diff()), {
    'a/two': 'deleted',
    'b/own/file': 'added',
    theirs: 'modified',
  });
  const forced = await sandbox.workspace.push(folder.path, { overwrite: true });
  assert.deepEqual(forced.conflicts, []);
  assert.equal(await run('cat a/two theirs'), 'changedhost\n');

  // What is there already and the same is not sent; the rest is a conflict.
  using other = project({ same: 'x', different: 'host' });
  await sandbox.commands.run('mkdir /tmp/w && cd /tmp/w && printf x > same && printf guest > different');
  const onto = await sandbox.workspace.push(other.path, { guestPath: '/tmp/w' });
  assert.deepEqual([onto.sentFiles, paths(onto.conflicts)], [0, ['different']]);
  assert.deepEqual(
    (await sandbox.workspace.list()).map(({ folder: from, guestPath }) => [from, guestPath]),
    [
      [other.path, '/tmp/w'],
      [folder.path, '/workspace'],
    ],
  );
  await assert.rejects(sandbox.workspace.diff(), { code: 'invalid_argument' });
  assert.deepEqual((await sandbox.workspace.diff({ guestPath: '/tmp/w' })).changes.length, 1);
  await assert.rejects(sandbox.workspace.push(other.path, { guestPath: '/workspace' }), { code: 'invalid_argument' });
  await assert.rejects(sandbox.workspace.push(join(other.path, 'none')), { code: 'file_not_found' });
  await sandbox.commands.run('rm -r /tmp/w');
  await assert.rejects(sandbox.workspace.apply({ guestPath: '/tmp/w' }), { code: 'file_not_found' });
});

test('a hostile guest changes nothing outside of the folder, and runs nothing here', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create({ user: 'root' });
  using folder = project({ 'src/code.ts': 'code\n', 'docs/a': 'a', victim: 'v' }, { git: true });
  using outside = project({ target: 'untouched' });
  // The host's own link leads out: nothing is written through it.
  symlinkSync(outside.path, join(folder.path, 'host-link'));
  const mark = join(outside.path, 'ran');
  await sandbox.workspace.push(folder.path);
  const before = readFileSync(join(folder.path, '.git/config'), 'utf8');
  await sandbox.commands.run(
    `git config core.fsmonitor '${mark}'; git config diff.external 'touch ${mark}'
     git config filter.x.clean 'touch ${mark}'; printf '#!/bin/sh\\ntouch ${mark}\\n' > .git/hooks/post-checkout
     chmod +x .git/hooks/post-checkout; echo '* filter=x' > .gitattributes; mkdir -p .GIT/hooks nested/.git
     touch .GIT/hooks/pre-commit nested/.git/config; git init -q --bare bare; git -C bare config core.fsmonitor ${mark}
     rm host-link; mkdir host-link; echo pwned > host-link/target
     ln -s ${outside.path} absolute; ln -s ../../../etc up; ln -s .git/hooks hooks-link; mkfifo pipe; mknod disk b 8 0
     printf x > "$(printf 'new\\nline')"; printf x > "$(printf 'bad\\377name')"; printf x > "$(printf 'esc\\033[2Jape')"
     rm -r docs; ln -s src docs; cp /bin/true setuid; chmod 4755 setuid; rm victim; mkdir victim; touch victim/inside
     mkdir -p .github/workflows; echo x > .github/workflows/ci.yml; echo echo > run.sh; chmod +x run.sh`,
    { cwd: '/workspace' },
  );
  const diff = await sandbox.workspace.diff();
  const refused = diff.changes.filter((change) => change.refused !== null).map(({ path }) => path);
  const expected = [
    '.GIT/hooks/pre-commit',
    'absolute',
    'disk',
    'esc\x1b[2Jape',
    'hooks-link',
    'new\nline',
    'pipe',
    'up',
  ];
  const isBare = (path: string): boolean => path.startsWith('bare/');
  assert.ok(
    refused.includes('bare/config') && diff.changes.every(({ path }) => !isBare(path) || refused.includes(path)),
  );
  const others = refused.filter((path) => !path.includes('\ufffd') && !isBare(path));
  assert.deepEqual(others.toSorted(), expected.toSorted());
  assert.ok(diff.changes.every(({ path }) => !path.startsWith('.git/') && !path.startsWith('nested/.git')));
  const cautious = await sandbox.workspace.apply();
  assert.deepEqual(paths(cautious.flagged).toSorted(), [
    '.gitattributes',
    '.github/workflows/ci.yml',
    'run.sh',
    'setuid',
  ]);
  const all = await sandbox.workspace.apply({ allowFlagged: true });
  assert.ok(all.applied.includes('setuid'));
  assert.equal(lstatSync(join(folder.path, 'setuid')).mode & 0o7777, 0o755);
  assert.equal(readlinkSync(join(folder.path, 'docs')), 'src');
  assert.ok(lstatSync(join(folder.path, 'victim')).isDirectory());
  for (const path of refused) assert.equal(existsSync(join(folder.path, path)), false, path);
  assert.equal(readFileSync(join(folder.path, '.git/config'), 'utf8'), before);
  assert.equal(existsSync(join(folder.path, '.git/hooks/post-checkout')), false);
  assert.equal(outside.read('target'), 'untouched');
  assert.equal(existsSync(mark), false);
});

test('what was reviewed is what is applied', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  using folder = project({ a: 'a\n', b: 'b\n', c: 'c\n' });
  await sandbox.workspace.push(folder.path);
  const run = (script: string) => sandbox.commands.run(script, { cwd: '/workspace' });
  await run('echo good > a; echo good > b; echo good > c');
  const reviewed = await sandbox.workspace.diff();
  await run('echo evil > a; echo c > c; echo late > late');
  folder.write('b', 'mine\n');
  const applied = await sandbox.workspace.apply({ reviewed });
  assert.deepEqual([applied.applied, paths(applied.outdated), paths(applied.conflicts)], [[], ['a', 'c'], ['b']]);
  assert.deepEqual(
    [folder.read('a'), folder.read('b'), existsSync(join(folder.path, 'late'))],
    ['a\n', 'mine\n', false],
  );
  // Keeping the host's version settles a conflict, and the next push sends it.
  await sandbox.workspace.apply({ paths: ['b'], resolve: { b: 'host' } });
  assert.equal((await sandbox.workspace.push(folder.path)).sentFiles, 1);
  assert.equal((await sandbox.commands.run('cat /workspace/b')).stdout, 'mine\n');
});

test('a sandbox that is taken back to before a push has removed nothing', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  using folder = project({ a: 'a\n', b: 'b\n' });
  await sandbox.workspace.push(folder.path);
  const snapshot = await sandbox.snapshot();
  folder.write('b', 'later\n');
  folder.write('late', 'late\n');
  assert.equal((await sandbox.workspace.push(folder.path)).sentFiles, 2);
  await sandbox.restore(snapshot);
  await assert.rejects(sandbox.workspace.diff(), { code: 'conflict', message: /taken back to a snapshot/ });
  await assert.rejects(sandbox.workspace.apply(), { code: 'conflict' });
  const pushed = await sandbox.workspace.push(folder.path);
  assert.deepEqual([pushed.sentFiles, paths(pushed.conflicts)], [1, ['b']]);
  assert.deepEqual(kinds(await sandbox.workspace.diff()), { b: 'added' });
  assert.equal((await sandbox.workspace.push(folder.path, { overwrite: true })).sentFiles, 1);
  assert.deepEqual((await sandbox.workspace.diff()).changes, []);
  assert.deepEqual([folder.read('b'), folder.read('late')], ['later\n', 'late\n']);
});

test('large files and many paths; another process sees the same, and nothing is left', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  using folder = project(Object.fromEntries(Array.from({ length: 1500 }, (_, at) => [`d${at % 30}/f${at}`, `${at}`])));
  folder.write('large.bin', randomBytes(12 * 1024 * 1024));
  await sandbox.workspace.push(folder.path);
  assert.deepEqual((await sandbox.workspace.diff()).changes, []);
  await sandbox.commands.run(
    'cd /workspace; for d in d1 d2; do for f in $d/*; do echo x >> $f; done; done; echo >> large.bin',
  );
  // Restored times and sizes hide nothing.
  await sandbox.commands.run('cd /workspace; touch -r d3/f3 /tmp/time; printf 9 > d3/f3; touch -r /tmp/time d3/f3');
  await using same = await Sandbox.connect(sandbox.id, { home: sdk.home.home });
  const { changes } = await same.workspace.diff();
  assert.equal(changes.length, 102);
  const applied = await same.workspace.apply();
  assert.equal(applied.applied.length, 102);
  assert.equal(lstatSync(join(folder.path, 'large.bin')).size, 12 * 1024 * 1024 + 1);
  assert.equal(folder.read('d3/f3'), '9');
  const kept = join(sdk.home.layout.sandbox(sandbox.id), 'workspaces');
  assert.equal(lstatSync(kept).mode & 0o777, 0o700);
  await sandbox.kill();
  assert.equal(existsSync(kept), false);
});
