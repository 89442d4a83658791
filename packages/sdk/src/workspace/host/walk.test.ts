import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { walk, type Walk, type WalkOptions } from './walk.ts';

interface Folder extends Disposable {
  readonly path: string;
}

/** A folder with the given files; a name that ends in a slash is a folder. */
function folderWith(files: Readonly<Record<string, string>>): Folder {
  const path = mkdtempSync(join(tmpdir(), 'nova-walk-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name.endsWith('/') ? name : dirname(name)), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(join(path, name), content);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

const walked = (folder: Folder, options: Partial<WalkOptions> = {}): Promise<Walk> =>
  walk(folder.path, {
    include: [],
    includeSecrets: false,
    git: true,
    sentGit: new Set(),
    maxEntries: 1000,
    maxBytes: 1_000_000,
    known: () => false,
    isUnchanged: () => false,
    signal: undefined,
    ...options,
  });

const files = ({ entries }: Walk): string[] =>
  entries.filter(({ type }) => type !== 'directory').map(({ path }) => path);

test('ignore files count at every level, as in git', async () => {
  using folder = folderWith({
    '.gitignore': '*.log\n/build/\n!keep.log\nvendor\n# none\n',
    '.novaignore': 'large.bin\n!note.log\n',
    'a.log': '',
    'keep.log': '',
    'note.log': '',
    'large.bin': '',
    'build/x': '',
    'deep/build/x': '',
    'deep/.gitignore': '!deeper.log\nown.txt\n',
    'deep/deeper.log': '',
    'deep/own.txt': '',
    'own.txt': '',
    'lib/.gitignore': '!vendor\n',
    'lib/vendor/a': '',
    'lib/vendor/b.log': '',
    'lib/vendor/vendor/c': '',
    'vendor/a': '',
    'UPPER.LOG': '',
    '.git/info/exclude': 'secret-plan.md\n',
    'secret-plan.md': '',
  });
  // The tools of git are a second opinion.
  execFileSync('git', ['init', '-q', folder.path]);
  writeFileSync(join(folder.path, '.git/info/exclude'), 'secret-plan.md\nlarge.bin\n');
  const git = execFileSync('git', ['-C', folder.path, 'ls-files', '--others', '--exclude-standard', '-z']);
  const expected = [
    ...git
      .toString()
      .split('\0')
      .filter((path) => path !== ''),
    'note.log',
  ];
  const found = await walked(folder);
  assert.deepEqual(files(found), expected.toSorted());
  assert.deepEqual(found.ignoredFolders, ['build', 'vendor']);
  assert.ok(found.gitEntries.some(({ path }) => path === '.git/info/exclude'));
});

test('secrets stay here unless they are asked for', async () => {
  const key = '-----BEGIN OPENSSH PRIVATE KEY-----\nx\n';
  using folder = folderWith({
    '.env': 'A=1',
    '.env.example': 'A=',
    'app/.env.local': 'A=1',
    '.ssh/config': '',
    '.npmrc': '//registry/:_authToken=x',
    'app/.npmrc': 'save-exact=true',
    'server.pem': key,
    'public.pem': '-----BEGIN CERTIFICATE-----',
    id_ed25519: key,
    'id_ed25519.pub': 'ssh-ed25519 x',
    '.git/config': '[remote "origin"]\nurl = https://me:token@host/x.git',
    '.git/HEAD': 'ref: refs/heads/main',
  });
  const found = await walked(folder);
  const allowed = ['.env.example', 'app/.npmrc', 'id_ed25519.pub', 'public.pem'];
  assert.deepEqual(files(found), allowed);
  assert.deepEqual(found.leftOut.map(({ path, kind }) => `${kind} ${path}`).toSorted(), [
    'secret .env',
    'secret .git/config',
    'secret .npmrc',
    'secret .ssh',
    'secret app/.env.local',
    'secret id_ed25519',
    'secret server.pem',
  ]);
  assert.deepEqual(
    found.gitEntries.map(({ path }) => path),
    ['.git', '.git/HEAD'],
  );
  const asked = await walked(folder, { include: ['app/.env.local', '.ssh'], git: false });
  assert.deepEqual(
    files(asked),
    [
      '.env.example',
      '.ssh/config',
      ...allowed.slice(1, 2),
      'app/.env.local',
      'id_ed25519.pub',
      'public.pem',
    ].toSorted(),
  );
  assert.deepEqual(asked.gitEntries, []);
  assert.equal((await walked(folder, { includeSecrets: true })).leftOut.length, 0);
});

test('links are not followed, and what cannot be sent is told', async () => {
  using folder = folderWith({ 'a/b': 'x', 'empty/': '', 'sub/.git': 'gitdir: ../../elsewhere/.git' });
  symlinkSync('/etc', join(folder.path, 'out'));
  symlinkSync('..', join(folder.path, 'a/up'));
  execFileSync('mkfifo', [join(folder.path, 'pipe')]);
  writeFileSync(Buffer.concat([Buffer.from(`${folder.path}/`), Buffer.from([0x66, 0xff])]), '');
  const found = await walked(folder);
  assert.deepEqual(
    found.entries.map(({ path, type, link }) => [path, type, link]),
    [
      ['a', 'directory', null],
      ['a/b', 'file', null],
      ['a/up', 'symlink', '..'],
      ['empty', 'directory', null],
      ['out', 'symlink', '/etc'],
      ['sub', 'directory', null],
    ],
  );
  assert.deepEqual(found.leftOut.map(({ path, kind }) => `${kind} ${path}`).toSorted(), [
    'special f\ufffd',
    'special pipe',
    'special sub/.git',
  ]);
});

test('an ignored folder is entered for what was asked for in it, and nothing else', async () => {
  using folder = folderWith({ '.gitignore': 'dist\n', 'dist/a': '', 'dist/deep/b': '', 'dist/deep/c': '' });
  const found = await walked(folder, { include: ['dist/deep/b'] });
  assert.deepEqual(files(found), ['.gitignore', 'dist/deep/b']);
});

test('a folder that is too large is refused before anything is sent', async () => {
  using folder = folderWith({ a: 'xxxxx', b: 'xxxxx' });
  await assert.rejects(walked(folder, { maxBytes: 9 }), { code: 'host_resource_exhausted' });
  await assert.rejects(walked(folder, { maxEntries: 1 }), { code: 'host_resource_exhausted' });
});
