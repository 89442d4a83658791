import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive, openSqliteStore, processesNaming, socketPath } from '@novasandbox/engine';
import { createRemoteEngine, type RemoteEngine } from '../../packages/sdk/src/remote/remote-engine.ts';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

/** Writes numbered lines and files to each folder, and tells each number once all of it has been fsynced. */
const writer = `
import itertools, os, sys
begin, folders = sys.argv[1], sys.argv[2:]
logs = [os.open(f + '/log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) for f in folders]
tops = [os.open(f, os.O_RDONLY) for f in folders]
for top in tops: os.fsync(top)
for n in itertools.count():
    for folder, log, top in zip(folders, logs, tops):
        os.write(log, f'{begin} {n}\\n'.encode())
        os.fsync(log)
        new = os.open(f'{folder}/{begin}-{n}', os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(new, str(n).encode() * 1000)
        os.fsync(new)
        os.fsync(top)
        os.close(new)
    print(n, flush=True)
`;

/** Runs the writer until it has fsynced some numbers, kills, and returns the last number that it told. */
async function writeUntil(engine: RemoteEngine, id: string, begin: string, kill: () => Promise<void>): Promise<number> {
  const argv = ['python3', '-c', writer, begin, '/data', '/var/kept'];
  const enough = randomInt(2, 30);
  const running = await engine.exec.start(id, { argv, user: 'root' });
  let text = '';
  let killed: Promise<void> | undefined;
  try {
    for await (const { bytes } of running.output) {
      text += Buffer.from(bytes).toString();
      if (text.split('\n').length > enough) killed ??= kill();
    }
  } catch {
    // The other side was killed.
  }
  running.exit.catch(() => undefined);
  assert.ok(killed !== undefined, text);
  await killed;
  const told = text.slice(0, text.lastIndexOf('\n') + 1).trim();
  return Number(told.split('\n').at(-1));
}

/** Checks a copy of an image: it holds everything up to that number, and its file system is whole. */
function requireKept(image: string, at: string, begin: string, last: number): void {
  const copy = `${image}.examined`;
  execFileSync('cp', ['--sparse=always', image, copy]);
  try {
    const recovered = spawnSync('e2fsck', ['-p', copy], { encoding: 'utf8' });
    assert.ok((recovered.status ?? 9) <= 1, recovered.stdout);
    const found = spawnSync('e2fsck', ['-fn', copy], { encoding: 'utf8' });
    assert.equal(found.status, 0, found.stdout);
    const cat = (path: string): string =>
      execFileSync('debugfs', ['-R', `cat ${at}/${path}`, copy], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
    requireLines(cat('log'), begin, last);
    for (const n of new Set([0, last])) assert.equal(cat(`${begin}-${n}`), String(n).repeat(1000));
  } finally {
    execFileSync('rm', ['-f', copy]);
  }
}

function requireLines(log: string, begin: string, last: number): void {
  const lines = log.split('\n').filter((line) => line.startsWith(`${begin} `));
  const expected = Array.from({ length: last + 1 }, (_, n) => `${begin} ${n}`);
  assert.deepEqual(lines.slice(0, last + 1), expected);
}

const machineOf = (server: ServerUnderTest, id: string) => {
  using store = openSqliteStore(server.home.layout.storeFile, server.home.layout.reserveFile);
  const machine = store.findSandbox(id)?.machine;
  assert.ok(machine);
  return machine;
};

test('what was fsynced is there after the VMM, the daemon or both were killed, in every round', async () => {
  await using server = await serverUnderTest({ NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0' });
  const { layout } = server.home;
  const { id: volume } = await server.ok('POST', '/volumes', { name: 'data', size_mb: 256 });
  const rounds = ['vmm', 'both', 'daemon', 'vmm', 'both', 'vmm', 'daemon', 'both', 'vmm'] as const;
  for (const [round, victim] of rounds.entries()) {
    const begin = `r${round}`;
    const { id } = await server.vm({ volumes: [{ name: 'data', path: '/data' }], network: false, timeout_seconds: 0 });
    const machine = machineOf(server, id);
    const killVmm = async (): Promise<void> => {
      process.kill(machine.pid, 'SIGKILL');
      await eventually('the end of the VMM', () => !isAlive(machine));
    };
    const killDaemon = async (): Promise<void> => void (await server.end('SIGKILL'));
    const engine = createRemoteEngine({ url: server.url, apiKey: server.key });
    await server.ok('POST', `/vms/${id}/execute`, { command: 'mkdir /var/kept && sync', user: 'root' });
    const last = await writeUntil(engine, id, begin, async () => {
      if (victim !== 'daemon') await killVmm();
      if (victim !== 'vmm') await killDaemon();
    });
    await engine.close();
    if (victim !== 'vmm') await server.restart();
    if (victim === 'daemon') {
      // The guest has not noticed, and is reached again.
      for (const folder of ['/data', '/var/kept']) {
        const { stdout } = await server.ok('POST', `/vms/${id}/execute`, {
          command: `cat ${folder}/log`,
          user: 'root',
        });
        requireLines(stdout, begin, last);
      }
      await server.ok('POST', `/vms/${id}/stop`, { force: true });
    }
    requireKept(join(layout.volume(volume), 'disk.raw'), '', begin, last);
    requireKept(join(layout.sandbox(id), 'disk.raw'), '/upper/var/kept', begin, last);
    assert.equal((await server.call('DELETE', `/vms/${id}`)).status, 204);
  }
});

/** Asks QEMU over its control socket, to which nobody else is connected. */
async function ask(socket: string, command: string): Promise<unknown> {
  const connection = connect(socket);
  connection.setEncoding('utf8');
  let text = '';
  connection.write(`{"execute":"qmp_capabilities"}\n{"execute":"${command}","id":"asked"}\n`);
  for await (const part of connection) {
    text += String(part);
    const answer = text.split('\n').find((line) => line.includes('"id": "asked"'));
    if (answer !== undefined) return (JSON.parse(answer) as { return: unknown }).return;
  }
  throw new Error(`QEMU did not answer: ${text}`);
}

test('a guest’s flush reaches the disk of the host: QEMU neither ignores flushes nor hides its cache', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await engine.volumes.create({ name: 'data' });
  await using box = await sandbox(engine, { hypervisor: 'qemu', volumes: [{ name: 'data', path: '/data' }] });
  const blocks = (await ask(socketPath(layout.sockets(box.id), 'qmp'), 'query-block')) as {
    device: string;
    inserted: { ro: boolean; cache: { 'no-flush': boolean; writeback: boolean } };
  }[];
  const writable = blocks.filter(({ inserted }) => !inserted.ro);
  assert.deepEqual(
    writable.map(({ device, inserted: { cache } }) => [device, cache['no-flush'], cache.writeback]),
    [
      ['drive1', false, true],
      ['drive2', false, true],
    ],
  );
  // The guest knows of the cache, so that it flushes.
  assert.equal(
    (await sh(engine, box.id, 'cat /sys/block/vd[bc]/queue/write_cache')).stdout,
    'write back\nwrite back\n',
  );
});

const noStrace = spawnSync('strace', ['-V']).status === 0 ? false : 'there is no strace';

test('an fsync in the guest is an fdatasync of its image on the host', { skip: noStrace }, async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await engine.volumes.create({ name: 'data' });
  await using box = await sandbox(engine, { hypervisor: 'qemu', volumes: [{ name: 'data', path: '/data' }] });
  const [vmm] = processesNaming(layout.sockets(box.id));
  for (const folder of ['/data', '/var']) {
    const strace = spawn('strace', ['-f', '-y', '-e', 'trace=fdatasync,fsync', '-p', String(vmm?.pid)]);
    let traced = '';
    strace.stderr.setEncoding('utf8').on('data', (text: string) => (traced += text));
    try {
      await eventually('strace has attached', () => traced.includes('attached'));
      assert.equal((await sh(engine, box.id, `echo x > ${folder}/file && sync ${folder}/file`)).exit.exitCode, 0);
      const image = folder === '/data' ? `${layout.volumes}/` : `${layout.sandboxes}/`;
      await eventually(`a flush of ${image}`, () =>
        traced.split('\n').some((line) => /(fdatasync|fsync)\(/.test(line) && line.includes(image)),
      );
    } finally {
      const ended = once(strace, 'exit');
      strace.kill('SIGINT');
      await ended;
    }
  }
});
