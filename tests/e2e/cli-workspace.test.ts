import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { PushResult, WorkspaceDiff } from 'novasandbox';
import { cliUnderTest, finished, novaCommand, until, type Cli } from '../support/nova-cli.ts';

interface Working extends AsyncDisposable {
  readonly cli: Cli;
  readonly folder: string;
  write(file: string, content: string): Promise<void>;
  read(file: string): Promise<string>;
}

async function working(files: Readonly<Record<string, string>>): Promise<Working> {
  const cli = await cliUnderTest();
  const folder = await mkdtemp(join(tmpdir(), 'nova-work-'));
  const write = async (file: string, content: string): Promise<void> => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), content);
  };
  for (const [file, content] of Object.entries(files)) await write(file, content);
  return {
    cli,
    folder,
    write,
    read: (file) => readFile(join(folder, file), 'utf8'),
    [Symbol.asyncDispose]: async () => {
      await rm(folder, { recursive: true });
      await cli[Symbol.asyncDispose]();
    },
  };
}

const numbered = Array.from({ length: 40 }, (_, at) => `line ${at}\n`).join('');

test('push, diff and apply: what is left out, shown, applied, and left alone', async () => {
  await using its = await working({ 'a.txt': numbered, 'deep/b.txt': 'b\n', '.env': 'A=1', 'both.txt': '1\n' });
  const { cli, folder } = its;
  await cli.ok('create', '--name', 'box');
  const pushed = await cli.nova(['push', 'box', folder]);
  assert.match(pushed.stdout, /^\/workspace: 3 files sent \(.*\)\n$/);
  assert.match(pushed.stderr, /left out \.env: environment variables/);
  const again = JSON.parse(await cli.ok('push', '--json', 'box', folder)) as PushResult;
  assert.deepEqual([again.sentFiles, again.leftOut.length], [0, 1]);

  const script = `sed -i 's/line 3$/line three/' a.txt; echo more >> deep/b.txt; echo 2 >> both.txt
    echo 'all:' > Makefile; printf 'esc\\033[2J\\n' > esc.txt; ln -s /etc/passwd evil`;
  await cli.ok('exec', '-w', '/workspace', 'box', '--', 'sh', '-c', script);
  await its.write('both.txt', '1\nhost\n');
  const diff = await cli.nova(['diff', 'box', '--exit-code']);
  assert.equal(diff.code, 1);
  assert.match(diff.stdout, /^# needs consent: it is run by make or the like\ndiff --git a\/Makefile b\/Makefile$/m);
  assert.match(diff.stdout, /^-line 3\n\+line three$/m);
  assert.match(diff.stdout, /^# conflict: the same lines/m);
  assert.match(diff.stdout, /^# never applied: it is a link that leads out/m);
  assert.ok(!diff.stdout.includes('\x1b'), 'what the guest wrote does not reach the terminal');
  assert.match(await cli.ok('diff', '--stat', 'box', 'deep'), /^deep\/b\.txt {2}modified \+1 -0$/);
  // In the folder neither the sandbox nor the whole path has to be named.
  const here = await cli.nova(['diff', '--stat'], { cwd: join(folder, 'deep') });
  assert.match(here.stdout, /a\.txt {7}modified \+1 -1/);
  assert.equal(
    (await cli.nova(['diff', '--stat', 'box', 'b.txt'], { cwd: join(folder, 'deep') })).stdout.split('\n').length,
    2,
  );
  assert.equal((await cli.nova(['diff'], { cwd: tmpdir() })).code, 2);

  const review = join(folder, '../review.json');
  await writeFile(review, await cli.ok('diff', '--json', 'box', 'a.txt'));
  await cli.ok('exec', 'box', '--', 'sh', '-c', 'echo later >> /workspace/a.txt');
  const outdated = await cli.nova(['apply', '--reviewed', review, 'box']);
  assert.equal(outdated.code, 1);
  assert.match(outdated.stderr, /looked at too early: a\.txt/);
  await rm(review);

  const planned = await cli.nova(['apply', '--dry-run', 'box']);
  assert.equal(planned.stdout, 'a.txt\ndeep/b.txt\nesc.txt\n');
  assert.equal(await its.read('deep/b.txt'), 'b\n');
  const applied = await cli.nova(['apply', '--yes', 'box']);
  assert.equal(applied.code, 1);
  assert.equal(applied.stdout, planned.stdout);
  assert.match(applied.stderr, /conflict: both\.txt/);
  assert.match(applied.stderr, /needs consent \(--allow\): Makefile: it is run by make/);
  assert.equal(await its.read('a.txt'), `${numbered.replace('line 3\n', 'line three\n')}later\n`);
  assert.equal(await its.read('both.txt'), '1\nhost\n');
  assert.equal(
    (await cli.nova(['apply', '--yes', '--allow', 'Makefile', '--keep-host', 'both.txt', 'box'])).stdout,
    'Makefile\nboth.txt\n',
  );
  const last = JSON.parse(await cli.ok('diff', '--json', 'box')) as WorkspaceDiff;
  assert.deepEqual(
    last.changes.map(({ path }) => path),
    ['evil'],
  );
});

test('run --workspace keeps a sandbox that has changes, applies them when asked, and removes it otherwise', async () => {
  await using its = await working({ 'a.txt': 'a\n', '.gitignore': 'out\n' });
  const { cli, folder } = its;
  const run = (...argv: string[]) => cli.nova(['run', '--workspace', folder, ...argv]);
  const nothing = await run('--', 'sh', '-c', 'pwd; mkdir out; touch out/x');
  assert.deepEqual([nothing.code, nothing.stdout], [0, '/workspace\n']);
  assert.equal(await cli.ok('ls', '-a', '-q'), '');

  const changed = await run('--', 'sh', '-c', 'echo more >> a.txt; exit 3');
  assert.equal(changed.code, 3);
  assert.match(changed.stderr, /1 change in the sandbox, which is kept for a day/);
  const id = await cli.ok('ls', '-a', '-q');
  assert.equal((await cli.nova(['apply', '--yes'], { cwd: folder })).stdout, 'a.txt\n');
  assert.equal(await its.read('a.txt'), 'a\nmore\n');
  await cli.ok('rm', '-f', id);

  const asked = await run('--apply', '--', 'sh', '-c', 'echo last >> a.txt');
  assert.deepEqual([asked.code, await its.read('a.txt')], [0, 'a\nmore\nlast\n']);
  const dropped = await run('--rm', '--json', '--', 'sh', '-c', 'echo lost >> a.txt');
  const { workspace } = JSON.parse(dropped.stdout) as { workspace: object };
  assert.deepEqual(workspace, { kept: false, applied: [], left: ['a.txt'] });
  assert.equal(await cli.ok('ls', '-a', '-q'), '');
  assert.equal((await cli.nova(['run', '--apply', '--', 'true'])).code, 2);
});

test('a review at the terminal takes changes whole or hunk by hunk', async () => {
  await using its = await working({ 'a.txt': numbered, 'b.txt': 'b\n', 'c.txt': 'c\n', 'run.sh': 'true\n' });
  const { cli, folder } = its;
  await chmod(join(folder, 'run.sh'), 0o644);
  await cli.ok('create', '--name', 'box');
  await cli.ok('push', 'box', folder);
  const script = `sed -i 's/line 3$/line three/; s/line 30$/line thirty/' a.txt; echo 2 >> b.txt; echo 2 >> c.txt; echo 2 >> run.sh`;
  await cli.ok('exec', '-w', '/workspace', 'box', '--', 'sh', '-c', script);
  const nova = `nova() { ${novaCommand.map((word) => `'${word}'`).join(' ')} "$@"; }`;
  const inner = `${nova}; nova apply box; echo "ended with $?"`.replaceAll("'", `'\\''`);
  const terminal = spawn('script', ['-qec', `bash -c '${inner}'`, '/dev/null'], {
    env: { ...cli.home.env, TERM: 'xterm' },
  });
  // Each question waits with listeners of its own.
  terminal.stdout.setMaxListeners(100);
  for (const [question, answer] of [
    ['Apply it to a.txt?', 'h'],
    ['Apply hunk 1 of 2?', 'n'],
    ['Apply hunk 2 of 2?', 'y'],
    ['Apply it to b.txt?', '?'],
    ['Apply it to b.txt?', 'y'],
    ['Apply it to c.txt?', 'n'],
    ['Type "yes" in full', 'yes'],
  ] as const) {
    await until(terminal.stdout, question);
    terminal.stdin?.write(`${answer}\r`);
  }
  const { stdout } = await finished(terminal);
  assert.match(stdout, /a\.txt\r\nb\.txt\r\nrun\.sh\r\n[^]*ended with 0/);
  assert.equal(await its.read('a.txt'), numbered.replace('line 30\n', 'line thirty\n'));
  assert.deepEqual(
    [await its.read('b.txt'), await its.read('c.txt'), await its.read('run.sh')],
    ['b\n2\n', 'c\n', 'true\n2\n'],
  );
});
