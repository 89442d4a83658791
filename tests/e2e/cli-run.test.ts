import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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
  // A command that leaves its stdin unread must not hold us up.
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
    // By then the command may have been there to be interrupted.
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
    // Slow at first, so that everything on the way fills up; then as fast as it comes.
    if (received < 2_000_000) await sleep(30);
  }
  assert.equal(received, size);
  assert.ok(peak < 250, `${peak} MB resident`);
});
