import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { buffer } from 'node:stream/consumers';
import { isNovaError } from '@novasandbox/protocol';
import { engineUnderTest, sandbox, sh, type EngineUnderTest } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';
import { conversation } from '../support/live-guests.ts';

/**
 * A snapshot that is saved on one host goes on on another: the second state folder has neither the root image nor the
 * golden snapshot that its memory needs, and both come with the file.
 */

let here: EngineUnderTest;
let there: EngineUnderTest;
before(async () => {
  here = await engineUnderTest();
  there = await engineUnderTest({ own: ['golden', 'rootfs', 'work'] });
});
after(async () => {
  await there?.[Symbol.asyncDispose]();
  await here?.[Symbol.asyncDispose]();
});

const server = `import socket
listener = socket.create_server(("0.0.0.0", 8080))
while True:
    client = listener.accept()[0]
    while said := client.recv(100): client.sendall(said)`;

const script = `set -e
mkdir /run/t; mount -t tmpfs none /run/t; echo tmpfs > /run/t/file; echo disk > /root/file
nohup sh -c 'n=0; while :; do n=$((n+1)); echo $n > /run/t/new; mv /run/t/new /run/t/count; sleep 0.1; done' \\
  > /dev/null 2>&1 &
nohup python3 /root/server.py > /dev/null 2>&1 &`;

test('programs, a server, a terminal, memory and files go on on another host; damaged files are refused there', async () => {
  const { engine } = here;
  await using box = await sandbox(engine);
  await engine.files.write(box.id, '/root/server.py', [Buffer.from(server)]);
  assert.equal((await sh(engine, box.id, script)).exit.exitCode, 0);
  const output = async ({ engine }: EngineUnderTest, id: string, command: string): Promise<string> =>
    (await sh(engine, id, command)).stdout.trim();
  await eventually('the server listens', async () => (await output(here, box.id, 'ss -ltn')).includes(':8080'));
  const terminal = await engine.exec.start(box.id, { argv: ['bash'], pty: { cols: 80, rows: 24 }, user: 'root' });
  assert.match(await conversation(terminal).ask('kept=tilltheend; echo $((6 * 7))', '42'), /42/);
  const before = Number(await output(here, box.id, 'cat /run/t/count'));
  const snapshot = await engine.snapshots.take(box.id, { name: 'carried' });
  await using saved = await engine.snapshots.save(snapshot.id);
  const bytes = await buffer(saved);

  const refused = (source: Iterable<Buffer>, code: 'snapshot_damaged') =>
    assert.rejects(there.engine.snapshots.load(source), (error) => isNovaError(error, code));
  const middle = Math.floor(bytes.length / 2);
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(flipped.readUInt8(middle) ^ 0xff, middle);
  for (const damaged of [bytes.subarray(0, -1000), flipped, Buffer.from('a file of something else')])
    await refused([damaged], 'snapshot_damaged');
  assert.deepEqual(await readdir(there.layout.goldenSnapshots), [], 'nothing is kept of what was refused');

  const loaded = await there.engine.snapshots.load([bytes]);
  const child = await there.engine.snapshots.create(loaded.id);
  assert.equal(await output(there, child.id, 'cat /run/t/file /root/file'), 'tmpfs\ndisk');
  const arrived = Number(await output(there, child.id, 'cat /run/t/count'));
  assert.ok(arrived >= before);
  await eventually(
    'the counter goes on',
    async () => Number(await output(there, child.id, 'cat /run/t/count')) > arrived,
  );
  const tunnel = await there.engine.files.tunnel(child.id, 8080);
  tunnel.write('there');
  assert.equal(String((await once(tunnel, 'data'))[0]), 'there');
  tunnel.destroy();
  const from = { stdout: null, stderr: null, stdin: true };
  const shell = conversation(await there.engine.exec.attach(child.id, terminal.execId, from));
  assert.match(await shell.ask('echo $kept $((7 * 9))', '63'), /tilltheend 63/);
  assert.equal((await sh(engine, box.id, 'true')).exit.exitCode, 0, 'the one that was saved goes on too');
});
