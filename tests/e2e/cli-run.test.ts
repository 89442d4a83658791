import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cliUnderTest, finished, until } from '../support/nova-cli.ts';

test('run prints what the command prints, and removes the sandbox', async () => {
  await using cli = await cliUnderTest();
  const result = await cli.nova(['run', '--', 'python3', '-c', 'print(6 * 7)']);
  assert.deepEqual({ ...result, stdoutBytes: null }, { code: 0, stdout: '42\n', stderr: '', stdoutBytes: null });
  assert.equal(await cli.ok('ls', '--all', '--quiet'), '');
});

test('called through a link of another folder, the script finds its checkout and runs as ever', async () => {
  await using cli = await cliUnderTest();
  const folder = join(cli.home.home, 'bin');
  await cli.ok('setup', 'path', folder);
  const env = { ...cli.home.env, NOVA_NO_SETUP: '1', PATH: `${folder}:${process.env['PATH'] ?? ''}` };
  const linked = spawn('nova', ['run', '--', 'echo', 'by way of a link'], { env, cwd: '/' });
  const { code, stdout, stderr } = await finished(linked);
  assert.deepEqual([code, stdout], [0, 'by way of a link\n'], stderr);
});

test('-v copies folders and files in and says that it did; an image is attached, and what is written to it stays', async () => {
  await using cli = await cliUnderTest();
  const folder = await mkdtemp(join(tmpdir(), 'nova-volume-'));
  try {
    const [project, image] = [join(folder, 'project'), join(folder, 'data.ext4')];
    await mkdir(join(project, 'sub'), { recursive: true });
    await writeFile(join(project, 'sub/input'), 'data\n');
    const script = 'cat sub/input; echo changed > sub/input; stat -c %U .';
    const run = ['run', '-w', '/work', '-v'];
    const copied = await cli.nova([...run, `${project}:/work`, '--', 'sh', '-c', script]);
    assert.deepEqual([copied.code, copied.stdout], [0, 'data\nuser\n'], copied.stderr);
    assert.match(copied.stderr, /^nova: \/work: a copy\. Changes stay in the sandbox .*\n$/);
    assert.equal(await readFile(join(project, 'sub/input'), 'utf8'), 'data\n');
    assert.equal((await cli.nova([...run, `${project}:/work:ro`, '--', 'sh', '-c', script])).stderr, '');
    // Nothing can be made there, and no sandbox is left.
    const refused = await cli.nova(['create', '-v', `${project}:/proc/nothing`]);
    assert.equal(refused.code, 1, refused.stderr);
    assert.equal(await cli.ok('ls', '--all', '--quiet'), '');

    const id = await cli.ok(
      'create',
      '--name',
      'box',
      '-q',
      '-v',
      `${join(project, 'sub/input')}:/etc/app/input`,
      '-v',
      `${project}:/work`,
    );
    assert.equal(
      await cli.ok('exec', '-w', '/work', 'box', '--', 'sh', '-c', 'echo new > sub/output; cat /etc/app/input'),
      'data',
    );
    await cli.ok('cp', 'box:/work/.', project);
    assert.equal(await readFile(join(project, 'sub/output'), 'utf8'), 'new\n');
    assert.equal(await cli.ok('rm', '-f', id.slice(0, 8)), id.slice(0, 8));

    execFileSync('mke2fs', ['-q', '-t', 'ext4', image, '16M']);
    await cli.ok('run', '-u', 'root', '-v', `${image}:/data`, '--', 'sh', '-c', 'echo kept > /data/file');
    const attached = await cli.nova([
      'run',
      '-u',
      'root',
      '-v',
      `${image}:/data:ro`,
      '--',
      'sh',
      '-c',
      'cat /data/file; echo x > /data/x',
    ]);
    assert.notEqual(attached.code, 0);
    assert.equal(attached.stdout, 'kept\n');
    assert.match(attached.stderr, /Read-only file system/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the exit code is the command's, and ours cannot be taken for it", async () => {
  await using cli = await cliUnderTest();
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['run', '--', 'sh', '-c', 'exit 7'], 7, /^$/],
    [['run', 'sh', '-c', 'kill -KILL $$'], 137, /^$/],
    [['run', '--', 'no-such-program'], 127, /no-such-program/],
    [['run', '--', '/etc/passwd'], 126, /\/etc\/passwd/],
    [['run', '--timeout', '300ms', '--', 'sleep', '60'], 124, /^$/],
    [['run', '--template', 'no-such-template', '--', 'true'], 125, /no-such-template[^]*hint: .*nova template/],
    [['run', '-u', 'nobody-here', '--', 'true'], 125, /nobody-here/],
  ];
  for (const [argv, code, stderr] of cases) {
    const result = await cli.nova(argv);
    assert.equal(result.code, code, `${argv.join(' ')}: ${result.stderr}`);
    assert.equal(result.stdout, '');
    assert.match(result.stderr, stderr, argv.join(' '));
  }
  assert.equal(await cli.ok('ls', '--all', '--quiet'), '');
});

test('stdout and stderr stay apart, byte for byte', async () => {
  await using cli = await cliUnderTest();
  const { code, stdoutBytes, stderr } = await cli.nova([
    'run',
    '--',
    'sh',
    '-c',
    "printf 'a\\377\\000b'; echo err >&2",
  ]);
  assert.equal(code, 0);
  assert.deepEqual([...stdoutBytes], [97, 255, 0, 98]);
  assert.equal(stderr, 'err\n');
});

test('stdin is passed on with -i and closed at its end; without, there is nothing to read', async () => {
  await using cli = await cliUnderTest();
  const input = randomBytes(3_000_000);
  const { stdout } = await cli.nova(['run', '-i', '--', 'sha256sum'], { input });
  assert.equal(stdout.split(' ')[0], createHash('sha256').update(input).digest('hex'));
  assert.equal((await cli.nova(['run', '--', 'cat'], { input: 'unseen' })).stdout, '');
  // A command that leaves its stdin unread must not block us.
  assert.equal((await cli.nova(['run', '-i', '--', 'true'], { input })).code, 0);
});

test('environment, user, directory and shape reach the guest', async () => {
  await using cli = await cliUnderTest();
  const folder = await mkdtemp(join(tmpdir(), 'nova-env-'));
  try {
    await writeFile(join(folder, 'env'), '# comment\nFROM_FILE=3\n');
    const shape = ['--memory', '256m', '--no-network', '--read-only'];
    const given = ['-e', 'GIVEN=1', '-e', 'PASSED', '--env-file', join(folder, 'env'), '-u', 'root', '-w', '/etc'];
    const script = `echo $GIVEN $PASSED $FROM_FILE; id -un; pwd; ls /sys/class/net; touch /x || echo read-only
      awk '/MemTotal/ { print ($2 < 262144) }' /proc/meminfo`;
    const { stdout, stderr } = await cli.nova(['run', ...given, ...shape, '--', 'sh', '-c', script], {
      env: { PASSED: '2' },
    });
    assert.equal(stdout, '1 2 3\nroot\n/etc\nlo\nread-only\n1\n', stderr);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('--json gives the result in one document', async () => {
  await using cli = await cliUnderTest();
  const { code, stdout, stderr } = await cli.nova([
    'run',
    '--json',
    '--',
    'sh',
    '-c',
    'echo out; echo err >&2; exit 3',
  ]);
  assert.equal(code, 3);
  assert.equal(stderr, '');
  const result = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(result['exitCode'], 3);
  assert.equal(result['stdout'], 'out\n');
  assert.equal(result['stderr'], 'err\n');
  const failed = await cli.nova(['run', '--json', '--template', 'nope', '--', 'true']);
  assert.equal(failed.code, 125);
  assert.equal((JSON.parse(failed.stderr) as { error: { code: string } }).error.code, 'unknown_template');
});

test('-d prints the id and leaves the sandbox with the command running', async () => {
  await using cli = await cliUnderTest();
  const id = await cli.ok(
    'run',
    '-d',
    '--name',
    'background',
    '--',
    'sh',
    '-c',
    'echo started > /tmp/here; exec sleep 1000',
  );
  assert.match(id, /^[a-z0-9]+$/);
  assert.equal(await cli.ok('exec', 'background', '--', 'cat', '/tmp/here'), 'started');
  assert.equal(await cli.ok('exec', '--', id.slice(0, 6), 'pgrep', '-c', 'sleep'), '1');
});

test("the first Ctrl-C is the command's", async () => {
  await using cli = await cliUnderTest();
  const child = cli.start([
    'run',
    '--',
    'sh',
    '-c',
    'trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.1; done',
  ]);
  await until(child.stdout, 'ready');
  child.kill('SIGINT');
  const { code, stdout } = await finished(child);
  assert.equal(stdout, 'caught\n');
  assert.equal(code, 5);
});

test('the second Ctrl-C, SIGTERM and SIGHUP end it at once; nothing stays', async () => {
  await using cli = await cliUnderTest();
  for (const [signals, code] of [
    [['SIGINT', 'SIGINT'], 130],
    [['SIGTERM'], 143],
    [['SIGHUP'], 129],
  ] as const) {
    const child = cli.start(['run', '--', 'sh', '-c', 'trap "" INT TERM HUP; echo ready; while :; do sleep 0.1; done']);
    await until(child.stdout, 'ready');
    const result = finished(child);
    for (const signal of signals) {
      child.kill(signal);
      await sleep(200);
    }
    assert.equal((await result).code, code, signals.join());
    assert.equal(await cli.ok('ls', '--all', '--quiet'), '');
  }
});

test('Ctrl-C while the sandbox is being made leaves nothing', async () => {
  await using cli = await cliUnderTest();
  for (const delayMs of [150, 250, 350, 450]) {
    const child = cli.start(['run', '--', 'sleep', '60']);
    const result = finished(child);
    await sleep(delayMs);
    child.kill('SIGINT');
    // The command may already have been running.
    assert.equal((await result).code, 130, `after ${delayMs} ms`);
    assert.equal(await cli.ok('ls', '--all', '--quiet'), '');
  }
});

test('a reader that leaves ends the command', async () => {
  await using cli = await cliUnderTest();
  const child = cli.start(['run', '--', 'yes']);
  await until(child.stdout, 'y\n');
  child.stdout?.destroy();
  assert.equal((await finished(child)).code, 141);
  assert.equal(await cli.ok('ls', '--all', '--quiet'), '');
});

test('a slow reader makes the command wait; memory stays flat', async () => {
  await using cli = await cliUnderTest();
  const size = 100 * 1024 * 1024;
  const child = cli.start(['run', '--', 'sh', '-c', `head -c ${size} /dev/zero`]);
  const status = join('/proc', String(child.pid), 'status');
  const { readFileSync } = await import('node:fs');
  const residentMb = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1] ?? 0) / 1024;
  let received = 0;
  let peak = 0;
  for await (const part of child.stdout ?? []) {
    received += (part as Buffer).length;
    peak = Math.max(peak, residentMb());
    // Slow at first, so that all buffers on the way fill up; then as fast as the output comes.
    if (received < 2_000_000) await sleep(30);
  }
  assert.equal(received, size);
  assert.ok(peak < 250, `${peak} MB resident`);
});
