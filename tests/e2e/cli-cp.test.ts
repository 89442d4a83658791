import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliUnderTest, type Cli } from '../support/nova-cli.ts';

interface Copying extends AsyncDisposable {
  readonly cli: Cli;
  readonly folder: string;
  /** Runs a script in the sandbox `box`. */
  sh(script: string): Promise<string>;
}

async function copying(): Promise<Copying> {
  const cli = await cliUnderTest();
  const folder = await mkdtemp(join(tmpdir(), 'nova-cp-'));
  await cli.ok('create', '--name', 'box');
  return {
    cli,
    folder,
    sh: (script) => cli.ok('exec', 'box', '--', 'sh', '-c', script),
    [Symbol.asyncDispose]: async () => {
      await rm(folder, { recursive: true, force: true });
      await cli[Symbol.asyncDispose]();
    },
  };
}

test('files go in and out unchanged, with their modes, owned by the user of the sandbox', async () => {
  await using its = await copying();
  const { cli, folder } = its;
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 256));
  await writeFile(join(folder, 'data.bin'), content);
  await chmod(join(folder, 'data.bin'), 0o750);
  await cli.ok('cp', join(folder, 'data.bin'), 'box:/tmp/copy.bin');
  await cli.ok('cp', join(folder, 'data.bin'), 'box:/tmp');
  assert.equal(await its.sh('stat -c "%a %U" /tmp/copy.bin; cmp /tmp/copy.bin /tmp/data.bin'), '750 user');
  await cli.ok('cp', 'box:/tmp/copy.bin', join(folder, 'back.bin'));
  assert.deepEqual(await readFile(join(folder, 'back.bin')), content);
  assert.equal((await stat(join(folder, 'back.bin'))).mode & 0o777, 0o750);
  await cli.ok('cp', 'box:/tmp/copy.bin', folder);
  assert.deepEqual(await readFile(join(folder, 'copy.bin')), content);
});

test('directories go in and out: into one that is there, as one that is not, or by their contents', async () => {
  await using its = await copying();
  const { cli, folder } = its;
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'deep', 'n'.repeat(150)), { recursive: true });
  await writeFile(join(tree, 'deep', 'n'.repeat(150), 'file'), 'deep');
  await writeFile(join(tree, 'ünï €'), 'x');
  await symlink('deep', join(tree, 'link'));
  await cli.ok('cp', tree, 'box:/tmp/as-new');
  await cli.ok('cp', tree, 'box:/tmp');
  await its.sh('mkdir /tmp/contents');
  await cli.ok('cp', `${tree}/.`, 'box:/tmp/contents');
  assert.equal(await its.sh('cd /tmp && diff -r as-new tree && diff -r tree contents; stat -c %U tree/deep'), 'user');
  await cli.ok('cp', 'box:/tmp/tree', join(folder, 'back'));
  assert.equal(execFileSync('diff', ['-r', tree, join(folder, 'back')]).toString(), '');
  await mkdir(join(folder, 'there'));
  await cli.ok('cp', 'box:/tmp/tree', join(folder, 'there'));
  assert.deepEqual(await readdir(join(folder, 'there')), ['tree']);
});

test('holes, hard links and times are kept, in trees and in single files, both ways', async () => {
  await using its = await copying();
  const { cli, folder } = its;
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'sub'), { recursive: true });
  const sparse = join(tree, 'sparse');
  await writeFile(sparse, Buffer.alloc(80_000, 7));
  // More than the free space of the guest's disk.
  await truncate(sparse, 5 * 1024 ** 3);
  await writeFile(join(tree, 'one'), 'content');
  await link(join(tree, 'one'), join(tree, 'two'));
  for (const name of ['sparse', 'one', 'sub']) await utimes(join(tree, name), 1_600_000_000.5, 1_600_000_000.5);
  await cli.ok('cp', tree, 'box:/tmp/tree');
  await cli.ok('cp', sparse, 'box:/tmp/alone');
  await cli.ok('cp', join(tree, 'one'), 'box:/tmp/plain');
  const facts = (names: string): string =>
    `for name in ${names}; do stat -c '%s %Y' "$name"; du -k "$name" | cut -f 1; done`;
  const large = `${5 * 1024 ** 3} 1600000000\n80`;
  assert.equal(await its.sh(`cd /tmp; ${facts('tree/sparse alone')}`), `${large}\n${large}`);
  assert.equal(
    await its.sh('cd /tmp; stat -c "%Y %h" plain tree/sub tree/two'),
    '1600000000 1\n1600000000 2\n1600000000 2',
  );
  assert.equal(await its.sh('stat -c %y /tmp/plain | cut -d . -f 2 | cut -d " " -f 1'), '500000000');

  await cli.ok('cp', 'box:/tmp/tree', join(folder, 'back'));
  await cli.ok('cp', 'box:/tmp/alone', join(folder, 'alone'));
  await cli.ok('cp', 'box:/tmp/plain', join(folder, 'plain'));
  for (const name of ['back/sparse', 'alone', 'plain', 'back/two', 'back/sub']) {
    const found = await stat(join(folder, name));
    assert.ok(found.blocks * 512 < 200_000 && Math.abs(found.mtimeMs - 1_600_000_000_500) < 1, name);
  }
  assert.equal((await stat(join(folder, 'back', 'two'))).nlink, 2);
  assert.equal((await stat(join(folder, 'alone'))).size, 5 * 1024 ** 3);
  assert.deepEqual((await readFile(join(folder, 'back', 'one'))).toString(), 'content');
});

test('what breaks off on a full disk is told, with what is there, and leaves no half file', async () => {
  await using its = await copying();
  const { cli, folder } = its;
  const tree = join(folder, 'tree');
  await mkdir(tree);
  for (const name of ['a', 'b', 'c']) await writeFile(join(tree, name), Buffer.alloc(400_000, name));
  await its.sh('sudo mount -t tmpfs -o size=1m,mode=777 none /mnt');
  const { code, stderr } = await cli.nova(['cp', tree, 'box:/mnt/tree']);
  assert.equal(code, 1);
  assert.match(stderr, /c: no space left on device; 2 entries were unpacked before and are there/);
  assert.equal(await its.sh('ls /mnt/tree'), 'a\nb');
  // The existing file stays whole.
  await writeFile(join(folder, 'a'), Buffer.alloc(900_000, 'x'));
  assert.equal((await cli.nova(['cp', join(folder, 'a'), 'box:/mnt/tree/a'])).code, 1);
  assert.equal(await its.sh('ls -A /mnt/tree; head -c 3 /mnt/tree/a; stat -c " %s" /mnt/tree/a'), 'a\nb\naaa 400000');
  const fails = async (to: string, pattern: RegExp): Promise<void> => {
    assert.match((await cli.nova(['cp', join(folder, 'a'), to])).stderr, pattern);
  };
  await its.sh('sudo mount -o remount,ro /mnt; ln -s loop /tmp/loop; touch /tmp/file');
  await fails('box:/mnt/new', /read-only file system/);
  await fails('box:/tmp/file/below', /not a directory/);
  await fails('box:/tmp/loop/below', /too many symbolic links/);
});

test('several sources go into a directory that is there, both ways', async () => {
  await using its = await copying();
  const { cli, folder } = its;
  const [one, tree] = [join(folder, 'one'), join(folder, 'tree')];
  await writeFile(one, 'one');
  await mkdir(tree);
  await writeFile(join(tree, 'two'), 'two');
  const copied = JSON.parse(await cli.ok('cp', '--json', one, tree, 'box:/tmp')) as { readonly skipped: unknown };
  assert.deepEqual(copied.skipped, []);
  assert.equal(await its.sh('cat /tmp/one /tmp/tree/two'), 'onetwo');
  await mkdir(join(folder, 'back'));
  await cli.ok('cp', 'box:/tmp/one', 'box:/tmp/tree', join(folder, 'back'));
  assert.equal(await readFile(join(folder, 'back/tree/two'), 'utf8'), 'two');
  for (const destination of ['box:/tmp/one', 'box:/tmp/none', join(folder, 'one')]) {
    const source = destination.startsWith('box') ? [one, tree] : ['box:/tmp/one', 'box:/tmp/tree'];
    const { code, stderr } = await cli.nova(['cp', ...source, destination]);
    assert.equal(code, 1);
    assert.match(stderr, destination.endsWith('none') ? /\/tmp\/none/ : /is not a directory, and several sources/);
  }
  assert.equal(await readFile(one, 'utf8'), 'one');
});

test('streams: a file from stdin and to stdout, directories as tar', async () => {
  await using its = await copying();
  const { cli, folder } = its;
  assert.equal((await cli.nova(['cp', '-', 'box:/tmp/in'], { input: 'from stdin' })).code, 0);
  assert.equal((await cli.nova(['cp', 'box:/tmp/in', '-'])).stdout, 'from stdin');
  await its.sh('mkdir -p /tmp/d/e; echo 1 > /tmp/d/e/f');
  const { stdoutBytes } = await cli.nova(['cp', 'box:/tmp/d', '-']);
  const list = execFileSync('tar', ['-t'], { input: stdoutBytes }).toString();
  assert.match(list, /^(\.\/)?e\/f$/m);
  assert.equal((await cli.nova(['cp', '--archive', '-', 'box:/tmp/unpacked'], { input: stdoutBytes })).code, 0);
  assert.equal(await its.sh('cat /tmp/unpacked/e/f'), '1');
  await writeFile(join(folder, 'big'), Buffer.alloc(20_000_000, 1));
  await cli.ok('cp', join(folder, 'big'), 'box:/tmp/big');
  assert.equal((await cli.nova(['cp', 'box:/tmp/big', '-'])).stdoutBytes.length, 20_000_000);
});

test('what a hostile tree holds stays in the destination', async () => {
  await using its = await copying();
  const { cli, folder } = its;
  await its.sh(
    'mkdir -p /tmp/evil/d; cd /tmp/evil; ln -s /etc/passwd abs; ln -s ../../../x up; ln -s d ok; mkfifo pipe; echo 1 > d/f; sudo mknod null c 1 3; chmod 6777 d/f',
  );
  const { code, stderr } = await cli.nova(['cp', 'box:/tmp/evil', join(folder, 'out')]);
  assert.equal(code, 0);
  for (const name of ['abs', 'up', 'pipe', 'null']) assert.match(stderr, new RegExp(`left out ${name}: `));
  assert.deepEqual((await readdir(join(folder, 'out'))).sort(), ['d', 'ok']);
  assert.equal((await stat(join(folder, 'out/d/f'))).mode & 0o7000, 0);
});

test('names cannot write to the terminal, look like words of ours, or leave the destination', async () => {
  await using its = await copying();
  const { cli, folder } = its;
  const names = [
    '\u001b[2J\u001b]0;title\u0007',
    '\u009b31m',
    'a\nnova: all is well',
    '-rf',
    '--',
    '..\\..\\up',
    '...',
    ' ',
  ];
  const script = 'mkdir -p /tmp/evil; cd /tmp/evil; for name; do ln -s -- / "$name"; mkdir -- "./d$name"; done';
  await cli.ok('exec', 'box', '--', 'sh', '-c', script, 'sh', ...names);
  const { code, stderr } = await cli.nova(['cp', 'box:/tmp/evil', join(folder, 'out')]);
  assert.equal(code, 0, stderr);
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  assert.doesNotMatch(stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  const told = stderr.split('\n').filter((line) => line.startsWith('nova: '));
  assert.equal(told.length, names.length, stderr);
  for (const line of told) assert.match(line, /^nova: left out .*which leads out of the destination$/);
  assert.deepEqual((await readdir(join(folder, 'out'))).sort(), names.map((name) => `d${name}`).sort());
  assert.deepEqual(await readdir(folder), ['out']);
});

test("a hostile tree of the host's gives a sandbox nothing that lies outside of it", async () => {
  await using its = await copying();
  const { cli, folder } = its;
  const tree = join(folder, 'tree');
  await mkdir(tree);
  await writeFile(join(folder, 'secret'), 'secret of the host');
  await symlink(join(folder, 'secret'), join(tree, 'absolute'));
  await symlink('../secret', join(tree, 'up'));
  await symlink('..', join(tree, 'out'));
  execFileSync('mkfifo', [join(tree, 'pipe')]);
  if (process.getuid?.() === 0) execFileSync('mknod', [join(tree, 'zero'), 'c', '1', '5']);
  await writeFile(join(tree, 'file'), 'x');
  await cli.ok('cp', tree, 'box:/tmp/in');
  assert.equal(
    await its.sh('cd /tmp/in; ls; find . -type l | sort; grep -r secret . || echo none'),
    ['absolute\nfile\nout\nup', './absolute\n./out\n./up', 'none'].join('\n'),
  );
});

test('what cannot be copied is told, and what was there stays', async () => {
  await using its = await copying();
  const { cli, folder } = its;
  await writeFile(join(folder, 'mine'), 'mine');
  for (const [argv, message] of [
    [['cp', 'box:/no/such', join(folder, 'mine')], /no.such/],
    [['cp', 'box:/dev/zero', join(folder, 'mine')], /neither a file nor a directory/],
    [['cp', '--max-size', '1', 'box:/tmp/large', join(folder, 'mine')], /larger than/],
    [['cp', join(folder, 'missing'), 'box:/tmp'], /On the host: .*missing/],
    [['cp', 'box:/etc/passwd', join(folder, 'no', 'such', 'folder')], /On the host: .*no.such/],
    [['cp', 'nobody:/etc/passwd', folder], /nobody/],
    [['cp', join(folder, 'mine'), 'box:/proc/x/y'], /hint/],
  ] as const) {
    if (argv.includes('box:/tmp/large')) await its.sh('head -c 2000000 /dev/zero > /tmp/large');
    const { code, stderr } = await cli.nova(argv);
    assert.equal(code, 1, argv.join(' '));
    assert.match(stderr, message);
  }
  assert.equal(await readFile(join(folder, 'mine'), 'utf8'), 'mine');
  assert.deepEqual(await readdir(folder), ['mine']);
});

test('what an upload leaves out is told, and a destination that cannot be is named as it was typed', async () => {
  await using cli = await cliUnderTest();
  const folder = await mkdtemp(join(tmpdir(), 'nova-cp-'));
  try {
    const id = await cli.ok('create', '-q', '--no-network');
    await mkdir(join(folder, 'tree/below'), { recursive: true });
    await writeFile(join(folder, 'tree/file'), 'x');
    execFileSync('mkfifo', [join(folder, 'tree/below/pipe')]);
    const told = await cli.nova(['cp', '--json', join(folder, 'tree'), `${id}:/tmp/`]);
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stderr, /left out below\/pipe: it is a named pipe/);
    const { skipped } = JSON.parse(told.stdout) as { readonly skipped: unknown };
    assert.deepEqual(skipped, [{ path: 'below/pipe', reason: 'it is a named pipe' }]);

    const target = join(folder, 'missing/report');
    const failed = await cli.nova(['cp', `${id}:/etc/hostname`, target]);
    assert.notEqual(failed.code, 0);
    assert.ok(failed.stderr.includes(`no such file or directory, ${target}\n`), failed.stderr);
    assert.doesNotMatch(failed.stderr, /\.part/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
