import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { SandboxInfo, SnapshotInfo } from '@novasandbox/protocol';
import { cliUnderTest, finished, until, type Cli } from '../support/nova-cli.ts';

const folder = await mkdtemp(join(tmpdir(), 'nova-cli-snapshots-'));
after(() => rm(folder, { recursive: true }));

const json = async <T>(cli: Cli, ...argv: string[]): Promise<T> => JSON.parse(await cli.ok(...argv)) as T;

test('a snapshot is taken, listed as a tree, gone back to, and made sandboxes from', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box', '--memory', '256m');
  // A process that only the memory knows.
  await cli.ok('exec', '-d', 'box', '--', 'sh', '-c', 'echo one > /tmp/state; exec sleep 100000');
  const first = await cli.ok(
    'snapshot',
    'take',
    'box',
    '--name',
    'first',
    '--description',
    'as it was',
    '--label',
    'a=b',
  );
  assert.match(first, /^snap[a-z0-9]{16}$/);
  await cli.ok('exec', 'box', '--', 'sh', '-c', 'echo two > /tmp/state; pkill -x sleep');
  const second = await cli.ok('snapshot', 'create', 'box');

  const [inspected] = await json<SnapshotInfo[]>(cli, 'snapshot', 'inspect', 'first');
  assert.deepEqual(
    [inspected?.id, inspected?.sandboxName, inspected?.kind, inspected?.description, inspected?.labels],
    [first, 'box', 'memory', 'as it was', { a: 'b' }],
  );
  assert.equal(await cli.ok('snapshot', 'ls', '-q'), `${first}\n${second}`);
  assert.equal(await cli.ok('snapshot', 'ls', '-q', '--label', 'a=b'), first);
  assert.match(await cli.ok('snapshot', 'ls', 'box'), new RegExp(`^${first} +first +box +memory .* as it was$`, 'm'));
  const tree = (await cli.ok('snapshot', 'ls', '--tree')).split('\n');
  assert.match(tree[1] ?? '', new RegExp(`^${first} \\(first\\) +box`));
  assert.match(tree[2] ?? '', new RegExp(`^└─ ${second} +box`));
  assert.equal(await cli.ok('snapshot', 'verify', 'first', second), `first\n${second}`);
  assert.match(await cli.ok('snapshot', 'stats'), /^all +2 /m);

  const id = await cli.ok('create', '--snapshot', 'first', '--name', 'again', '--label', 'own=1', '-e', 'WORD=blue');
  const look = 'cat /tmp/state; pgrep -x sleep >/dev/null && echo sleeps; hostname; echo $WORD';
  assert.equal(await cli.ok('exec', 'again', '--', 'sh', '-c', look), 'one\nsleeps\nagain\nblue');
  const [made] = await json<SandboxInfo[]>(cli, 'inspect', 'again');
  assert.deepEqual([made?.id, made?.labels, made?.memoryMb], [id, { own: '1' }, 256]);
  assert.equal(
    await cli.ok('run', '-q', '--snapshot', 'first', '-u', 'root', '--', 'sh', '-c', 'cat /tmp/state; id -un'),
    'one\nroot',
  );
  const script = 'pgrep -x sleep || echo booted';
  assert.equal(await cli.ok('run', '-q', '--snapshot', first, '--disk-only', '--', 'sh', '-c', script), 'booted');

  await cli.ok('hibernate', 'box');
  assert.equal(await cli.ok('snapshot', 'restore', 'box', 'first'), 'box');
  assert.equal(await cli.ok('exec', 'box', '--', 'sh', '-c', look), 'one\nsleeps\nbox\n');
  assert.equal((await json<SandboxInfo[]>(cli, 'ls', '--all', '--json')).length, 2);

  await cli.ok('rm', '-f', 'box', 'again');
  assert.equal(await cli.ok('snapshot', 'ls', '-q', 'box'), `${first}\n${second}`);
  assert.equal((await cli.nova(['snapshot', 'rm', 'none'])).code, 1);
  assert.equal(await cli.ok('snapshot', 'rm', '--force', 'none', 'first', second), `first\n${second}`);
  assert.equal(await cli.ok('snapshot', 'ls', '-q'), '');
});

test('a snapshot of a stopped sandbox has its disk alone', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  await cli.ok('exec', 'box', '--', 'sh', '-c', 'echo kept > ~/file');
  await cli.ok('stop', 'box');
  const taken = await json<SnapshotInfo>(cli, 'snapshot', 'take', 'box', '--disk-only', '--json');
  assert.deepEqual([taken.kind, taken.memoryBytes, taken.stoppedMs], ['disk', 0, 0]);
  assert.equal(await cli.ok('run', '-q', '--snapshot', taken.id, '--', 'sh', '-c', 'cat ~/file'), 'kept');
  await cli.ok('snapshot', 'rm', taken.id);
});

test('save and load bring a snapshot to another state folder; damage is refused', async () => {
  await using here = await cliUnderTest();
  await using there = await cliUnderTest();
  await here.ok('create', '--name', 'box', '--memory', '256m');
  await here.ok('exec', '-d', 'box', '--', 'sh', '-c', 'echo carried > /tmp/state; exec sleep 100000');
  await here.ok('snapshot', 'take', 'box', '--name', 'carried');
  const file = join(folder, 'carried.nova');
  assert.equal(await here.ok('snapshot', 'save', 'carried', file), file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);

  const loaded = await there.ok('snapshot', 'load', file, '--name', 'arrived');
  assert.equal(await there.ok('snapshot', 'verify', 'arrived'), 'arrived');
  const look = 'cat /tmp/state; pgrep -x sleep >/dev/null && echo sleeps';
  assert.equal(await there.ok('run', '-q', '--snapshot', loaded, '--', 'sh', '-c', look), 'carried\nsleeps');

  const piped = await here.nova(['snapshot', 'save', 'carried', '-']);
  assert.equal(piped.code, 0, piped.stderr);
  const second = await there.nova(['snapshot', 'load', '-'], { input: piped.stdoutBytes });
  assert.equal(second.code, 0, second.stderr);
  await there.ok('snapshot', 'rm', loaded, second.stdout.trim());

  const cut = await there.nova(['snapshot', 'load', '--json', '-'], {
    input: piped.stdoutBytes.subarray(0, 1_000_000),
  });
  assert.equal(cut.code, 1);
  assert.match(cut.stderr, /"snapshot_damaged"/);
  assert.equal(await there.ok('snapshot', 'ls', '-q'), '');
  await here.ok('snapshot', 'rm', 'carried');
});

test('verify tells what is wrong and exits with 1', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  const id = await cli.ok('snapshot', 'take', 'box');
  await using disk = await open(join(cli.home.layout.snapshot(id), 'disk.raw'), 'r+');
  await disk.write('damaged', 4096);
  const { code, stdout, stderr } = await cli.nova(['snapshot', 'verify', id]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, new RegExp(`^nova: ${id}: disk.raw has other content`, 'm'));
  assert.match((await cli.nova(['create', '--json', '--snapshot', id])).stderr, /"snapshot_damaged"/);
  await cli.ok('snapshot', 'rm', id);
});

test('prune removes what is old, and asks for nothing with --force', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  const id = await cli.ok('snapshot', 'take', 'box', '--disk-only');
  assert.equal(await cli.ok('snapshot', 'prune', '--older', '1d', '--force'), '');
  assert.equal(await cli.ok('snapshot', 'prune', '--older', '0', '--force'), id);
  assert.equal(await cli.ok('snapshot', 'ls', '-q'), '');
});

test('fork makes children that go on, and runs a command in each', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box', '--memory', '256m');
  await cli.ok('exec', 'box', '--', 'sh', '-c', 'echo shared > /tmp/state');
  const child = await cli.ok('fork', 'box', '--name', 'child', '--ttl', '1h');
  assert.equal(await cli.ok('exec', 'child', '--', 'sh', '-c', 'cat /tmp/state; hostname'), 'shared\nchild');
  assert.equal(await cli.ok('exec', 'box', '--', 'hostname'), 'box');
  const [info] = await json<SandboxInfo[]>(cli, 'inspect', child);
  assert.notEqual(info?.expiresAt, null);
  assert.equal(info?.forkedFrom, (await json<SandboxInfo[]>(cli, 'inspect', 'box'))[0]?.id);
  await cli.ok('rm', '-f', 'child');

  const only = await cli.nova(['fork', 'box', '-q', '-i', '--', 'sh', '-c', 'cat /tmp/state -; exit 3'], {
    input: 'typed',
  });
  assert.deepEqual([only.code, only.stdout], [3, 'shared\ntyped'], only.stderr);

  const script = 'cat /tmp/state; printf "%s" "$NOVA_FORK_INDEX" >&2; exit $((NOVA_FORK_INDEX - 1))';
  const several = await cli.nova(['fork', 'box', '-q', '--count', '2', '--', 'sh', '-c', script]);
  assert.equal(several.code, 1, several.stderr);
  assert.deepEqual(several.stdout.split('\n').toSorted(), ['', '1: shared', '2: shared']);
  assert.deepEqual(several.stderr.split('\n').toSorted(), ['', '1: 1', '2: 2']);
  const asJson = await cli.nova(['fork', 'box', '--json', '--count', '2', '--', 'sh', '-c', script]);
  const results = JSON.parse(asJson.stdout) as { number: number; exitCode: number; stdout: string }[];
  assert.deepEqual(
    results.map(({ number, exitCode, stdout }) => [number, exitCode, stdout]),
    [
      [1, 0, 'shared\n'],
      [2, 1, 'shared\n'],
    ],
  );
  assert.equal(await cli.ok('ls', '--all', '-q', '--json').then((text) => (JSON.parse(text) as unknown[]).length), 1);

  const kept = await cli.nova(['fork', 'box', '-q', '--keep', '--name', 'kept', '--', 'true']);
  assert.equal(kept.code, 0, kept.stderr);
  assert.equal(await cli.ok('exec', 'kept', '--', 'cat', '/tmp/state'), 'shared');
});

test('a race keeps the child with the best score, and nothing where none has one', async () => {
  await using cli = await cliUnderTest();
  const box = await cli.ok('create', '--name', 'box', '--memory', '256m');
  const script = 'echo tries; echo $((NOVA_FORK_INDEX % 3 * 10)) | tee /tmp/score; [ $NOVA_FORK_INDEX != 4 ]';
  const race = ['race', 'box', '--count', '4', '--'];
  const won = await cli.nova([...race, 'sh', '-c', script]);
  assert.equal(won.code, 0, won.stderr);
  assert.match(won.stderr, /^3: tries$/m);
  const winner = won.stdout.trim();
  assert.equal(await cli.ok('exec', winner, '--', 'cat', '/tmp/score'), '20');
  assert.deepEqual((await cli.ok('ls', '-q')).split('\n').toSorted(), [box, winner].toSorted());

  const judge = 'echo judged; echo -$(cat /tmp/number)';
  const write = 'echo $NOVA_FORK_INDEX > /tmp/number';
  const asJson = await cli.ok('race', 'box', '-n', '2', '--json', '--score', judge, '--', 'sh', '-c', write);
  const { sandboxId, ...rest } = JSON.parse(asJson) as { sandboxId: string };
  assert.deepEqual(rest, {
    number: 1,
    score: -1,
    branches: [
      { number: 1, score: -1, error: null },
      { number: 2, score: -2, error: null },
    ],
  });
  await cli.ok('rm', '-f', winner, sandboxId);
  const lost = await cli.nova(['race', 'box', '-q', '-n', '2', '--', 'echo', 'no number']);
  assert.deepEqual([lost.code, lost.stdout], [1, '']);
  assert.match(lost.stderr, /^nova: 2: .*not a number/m);
  assert.equal(await cli.ok('ls', '--all', '-q'), box);
});

test('an interrupted fork leaves its parent alone', async () => {
  await using cli = await cliUnderTest();
  const box = await cli.ok('create', '--name', 'box');
  const child = cli.start(['fork', 'box', '-q', '--count', '2', '--', 'sh', '-c', 'echo runs; exec sleep 100000']);
  await until(child.stdout, 'runs');
  child.kill('SIGTERM');
  assert.equal((await finished(child)).code, 143);
  assert.equal(await cli.ok('ls', '--all', '-q'), box);
  assert.equal(await cli.ok('exec', 'box', '--', 'echo', 'fine'), 'fine');
});

test('what does not go together is refused, and nothing is left', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  await cli.ok('snapshot', 'take', 'box', '--name', 'taken');
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['create', '--snapshot', 'taken', '--memory', '1g'], 2, /--memory does not go with --snapshot/],
    [['create', '--snapshot', 'taken', '--no-network'], 2, /--no-network does not go with --snapshot/],
    [['create', '--snapshot', 'taken', '-v', 'data:/data'], 2, /--snapshot goes with a volume only .*--disk-only/],
    [['create', '--snapshot', 'taken', '--port', '18081:80'], 2, /the guest's port is 8080/],
    [['create', '--snapshot', 'taken', '--name', 'box'], 1, /sandbox_exists|has that name|named "box"/],
    [['create', '--snapshot', 'none'], 1, /There is no snapshot "none"/],
    [['run', '-q', '--snapshot', 'none', '--', 'true'], 125, /There is no snapshot "none"/],
    [['snapshot', 'take', 'box', '--name', 'taken'], 1, /has a snapshot named "taken" already/],
    [['snapshot', 'take', 'none'], 1, /There is no sandbox/],
    [['snapshot', 'restore', 'box', 'none'], 1, /There is no snapshot "none"/],
    [['snapshot', 'load', join(folder, 'none')], 1, /no such file/],
    [['snapshot', 'save', 'taken', join(folder, 'none/file')], 1, /no such file/],
    [['fork', 'none'], 125, /There is no sandbox/],
    [['fork', 'box', '--count', '101'], 2, /--count: /],
    [['fork', 'box', '--name', 'box'], 125, /box/],
  ];
  for (const [argv, code, message] of cases) {
    const result = await cli.nova(argv);
    assert.equal(result.code, code, `${argv.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, message, argv.join(' '));
    assert.equal(result.stdout, '');
  }
  assert.equal((await cli.ok('ls', '--all', '-q')).split('\n').length, 1);
  assert.equal((await cli.ok('snapshot', 'ls', '-q')).split('\n').length, 1);
  await cli.ok('snapshot', 'rm', 'taken');
});

test('the reader of a saved snapshot that goes away ends the saving', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  await cli.ok('snapshot', 'take', 'box', '--name', 'taken');
  const child = cli.start(['snapshot', 'save', 'taken', '-']);
  await once(child.stdout ?? child, 'readable');
  child.stdout?.destroy();
  assert.equal((await finished(child)).code, 141);
  await cli.ok('snapshot', 'rm', 'taken');
});
