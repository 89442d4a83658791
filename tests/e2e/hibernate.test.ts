import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, test } from 'node:test';
import type { LocalEngine } from '@novasandbox/engine';
import { eventually } from '../support/eventually.ts';
import { engineUnderTest, sandbox, sh, type EngineUnderTest } from '../support/engine.ts';
import { conversation } from '../support/live-guests.ts';

/** Sandboxes that are written to the host's disk and go on later where they were. */

let under: EngineUnderTest;
let engine: LocalEngine;
before(async () => {
  under = await engineUnderTest();
  engine = under.engine as LocalEngine;
});
after(() => under?.[Symbol.asyncDispose]());

/** What a shell command prints as root. */
async function output(ref: string, script: string): Promise<string> {
  const { exit, stdout, stderr } = await sh(engine, ref, script);
  assert.equal(exit.exitCode, 0, stderr);
  return stdout.trim();
}

/** Starts a program that runs on by itself. */
const begin = (ref: string, script: string): Promise<string> =>
  output(ref, `nohup sh -c '${script}' >/dev/null 2>&1 & echo $!`);
const counter = 'n=0; while :; do n=$((n+1)); echo $n >/dev/shm/n.new; mv /dev/shm/n.new /dev/shm/n; sleep 0.1; done';
const count = async (ref: string): Promise<number> => Number(await output(ref, 'cat /dev/shm/n'));
const boots = (ref: string): Promise<string> => output(ref, 'cat /proc/sys/kernel/random/boot_id');
const memoryOf = (id: string): string => join(under.layout.sandbox(id), 'memory');

/** Says a word to a server that sends back what it gets. */
async function echoed(stream: Duplex, word: string): Promise<string> {
  stream.write(word);
  const [bytes] = (await once(stream, 'data')) as [Buffer];
  return bytes.toString();
}
/** A server that sends back what it gets, to all its visitors, and does not end. */
const echoServer = `import socket, threading
s = socket.create_server(("0.0.0.0", 8080))
def serve(c):
    while d := c.recv(100): c.sendall(d)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()`;

async function listening(ref: string): Promise<void> {
  await engine.files.write(ref, '/root/echo.py', [Buffer.from(echoServer)]);
  await begin(ref, 'exec python3 /root/echo.py');
  await eventually('the server listens', async () => (await output(ref, 'ss -ltn || true')).includes(':8080'));
}

test('programs, their terminals and connections, memory and files go on where they were', async () => {
  await using box = await sandbox(engine, { ephemeral: true, timeoutMs: 600_000 });
  const pid = await begin(box.id, counter);
  await listening(box.id);
  await output(box.id, 'mkdir /run/t; mount -t tmpfs none /run/t; echo kept >/run/t/file; echo disk >/root/file');
  const argv = ['python3', '-c', 'while True: print("told", input(), flush=True)'];
  const command = await engine.exec.start(box.id, { argv, stdin: true, user: 'root' });
  assert.equal(await conversation(command).ask('one', 'told'), 'told one');
  const terminal = await engine.exec.start(box.id, { argv: ['bash'], pty: { cols: 80, rows: 24 }, user: 'root' });
  assert.match(await conversation(terminal).ask('kept=tilltheend; echo $((6 * 7))', '42'), /42/);
  const [boot, before] = [await boots(box.id), await count(box.id)];

  const asleep = await engine.sandboxes.hibernate(box.id);
  assert.deepEqual([asleep.state, asleep.reason], ['hibernated', null]);
  assert.equal((await engine.sandboxes.hibernate(box.id)).state, 'hibernated', 'it is idempotent');
  assert.deepEqual(await readdir(under.layout.run), [], 'its machine has not ended');
  assert.ok((await engine.sandboxes.list()).some(({ id, state }) => id === box.id && state === 'hibernated'));
  for (const refused of [engine.exec.list(box.id), engine.exec.ping(box.id), output(box.id, 'true')])
    await assert.rejects(refused, { code: 'sandbox_not_running', hint: /nova resume/ });
  await assert.rejects(engine.sandboxes.start(box.id), { code: 'invalid_state' });

  const awake = await engine.sandboxes.resume(box.id);
  assert.deepEqual([awake.state, awake.reason, awake.metadata.bootKind], ['running', null, 'snapshot']);
  const clock = Number(await output(box.id, 'date +%s%3N'));
  assert.ok(Math.abs(clock - Date.now()) < 5000, `its clock says ${clock} at ${Date.now()}`);
  assert.ok(Date.parse(awake.expiresAt ?? '') > Date.now() + 590_000, 'its time to live begins anew');
  assert.equal(await output(box.id, 'cat /run/t/file /root/file'), 'kept\ndisk');
  assert.equal(await boots(box.id), boot);
  assert.ok((await count(box.id)) >= before);
  const went = await count(box.id);
  await eventually('the counter goes on', async () => (await count(box.id)) > went);
  await output(box.id, `kill -0 ${pid}`);
  const from = { stdout: null, stderr: null, stdin: true };
  const again = conversation(await engine.exec.attach(box.id, command.execId, from));
  assert.equal(await again.ask('two', 'told'), 'told two');
  const shell = conversation(await engine.exec.attach(box.id, terminal.execId, from));
  assert.match(await shell.ask('echo $kept $((7 * 9))', '63'), /tilltheend 63/);
  const tunnel = await engine.files.tunnel(box.id, 8080);
  assert.equal(await echoed(tunnel, 'after'), 'after');
  tunnel.destroy();
  await assert.rejects(readdir(memoryOf(box.id)), { code: 'ENOENT' });
});

test('ten times over, with a file and a line in memory each time, nothing is lost', async () => {
  await using box = await sandbox(engine, { enableNetwork: false });
  const boot = await boots(box.id);
  for (let cycle = 1; cycle <= 10; cycle++) {
    await output(box.id, `echo ${cycle} >/root/file${cycle}; echo ${cycle} >>/dev/shm/lines`);
    await engine.sandboxes.hibernate(box.id);
    assert.equal((await engine.sandboxes.resume(box.id)).reason, null);
  }
  const all = Array.from({ length: 10 }, (_, index) => `${index + 1}`).join('\n');
  assert.equal(await output(box.id, 'cat $(ls /root/file* | sort -V)'), all);
  assert.equal(await output(box.id, 'cat /dev/shm/lines'), all);
  assert.equal(await boots(box.id), boot);
});

test('at the end of its time it is hibernated; requests of any kind wake it, together, and again and again', async () => {
  const admitted: string[] = [];
  engine.admitWakings(({ id }) => {
    admitted.push(id);
    return () => undefined;
  });
  const config = { timeoutMs: 600_000, onTimeout: 'hibernate', autoResume: true, ephemeral: true } as const;
  await using box = await sandbox(engine, config);
  await begin(box.id, counter);
  await listening(box.id);
  const boot = await boots(box.id);
  const state = async (): Promise<string> => (await engine.sandboxes.get(box.id)).state;
  const timeOut = async (): Promise<void> => {
    await engine.sandboxes.setTimeout(box.id, 1);
    await eventually('its time is over', async () => (await state()) === 'hibernated');
    const { reason } = await engine.sandboxes.get(box.id);
    assert.equal(reason, 'its time to live ended');
  };
  const reach = {
    command: async () => void (await output(box.id, 'true')),
    file: async () => void (await engine.files.stat(box.id, '/root')),
    port: async () => {
      const tunnel = await engine.files.tunnel(box.id, 8080);
      assert.equal(await echoed(tunnel, 'x'), 'x');
      tunnel.destroy();
    },
  };
  for (const request of Object.values(reach)) {
    await timeOut();
    await request();
    const { state: now, expiresAt, reason } = await engine.sandboxes.get(box.id);
    assert.deepEqual([now, reason], ['running', null]);
    assert.ok(Date.parse(expiresAt ?? '') > Date.now() + 500_000, 'it has the time that it was made with');
  }
  assert.equal(admitted.length, 3);

  await timeOut();
  await Promise.all([...Array.from({ length: 5 }, () => reach.command()), reach.file(), reach.port()]);
  assert.equal(admitted.length, 4, 'they share one waking');
  assert.equal(await boots(box.id), boot);

  // Looking at it does not wake it, nor does a request once it keeps its disk alone.
  await engine.sandboxes.hibernate(box.id);
  await assert.rejects(engine.sandboxes.stats(box.id), { code: 'sandbox_not_running' });
  await assert.rejects(engine.exec.list(box.id), { code: 'sandbox_not_running' });
  await engine.sandboxes.resume(box.id);
  await engine.sandboxes.hibernate(box.id, { memory: false });
  await assert.rejects(reach.command(), { code: 'sandbox_not_running' });
  engine.admitWakings(() => {
    throw new Error('there is no room');
  });
  await assert.rejects(engine.sandboxes.resume(box.id), /there is no room/);
  assert.equal(await state(), 'hibernated');
  engine.admitWakings(() => () => undefined);
});

test('a request that comes while it is being hibernated waits, and wakes it', async () => {
  await using box = await sandbox(engine, { autoResume: true, enableNetwork: false });
  await output(box.id, 'echo kept >/dev/shm/file');
  const asleep = engine.sandboxes.hibernate(box.id);
  const { state } = await engine.sandboxes.get(box.id);
  assert.equal(state, 'running', 'it is not too late for this test');
  const moments = ['stopping', 'hibernated'];
  await eventually('it stands still', async () => {
    const now = await engine.sandboxes.get(box.id);
    return moments.includes(now.state);
  });
  assert.equal(await output(box.id, 'cat /dev/shm/file'), 'kept');
  assert.equal((await asleep).state, 'hibernated');
});

test('one that is paused at the end of its time goes on with the next request, for as long as it was made for', async () => {
  await using box = await sandbox(engine, { timeoutMs: 600_000, onTimeout: 'pause', autoResume: true });
  await engine.sandboxes.setTimeout(box.id, 1);
  await eventually('it is paused', async () => (await engine.sandboxes.get(box.id)).state === 'paused');
  const answers = await Promise.all([1, 2, 3].map((each) => output(box.id, `echo ${each}`)));
  assert.deepEqual(answers, ['1', '2', '3']);
  assert.ok(Date.parse((await engine.sandboxes.get(box.id)).expiresAt ?? '') > Date.now() + 500_000);
});

test('more time that is given at the last moment counts', async () => {
  await using box = await sandbox(engine, { onTimeout: 'hibernate', timeoutMs: 600_000, enableNetwork: false });
  const boot = await boots(box.id);
  for (let turn = 0; turn < 5; turn++) {
    await engine.sandboxes.setTimeout(box.id, 200 * turn + 1);
    try {
      await engine.sandboxes.setTimeout(box.id, 600_000);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'sandbox_not_running');
      await engine.sandboxes.resume(box.id);
    }
    assert.equal(await boots(box.id), boot);
  }
});

test('a paused one is hibernated too, and its port of the host leads to it again', async () => {
  const probe = (await import('node:net')).createServer();
  await once(probe.listen(0, '127.0.0.1'), 'listening');
  const { port } = probe.address() as { readonly port: number };
  probe.close();
  await using box = await sandbox(engine, { hostPort: port });
  await listening(box.id);
  const knock = async (): Promise<string> => {
    const visitor = createConnection(port, '127.0.0.1');
    try {
      await once(visitor, 'connect');
      return await echoed(visitor, 'knock');
    } finally {
      visitor.destroy();
    }
  };
  assert.equal(await knock(), 'knock');
  await engine.sandboxes.pause(box.id);
  assert.equal((await engine.sandboxes.hibernate(box.id)).state, 'hibernated');
  await assert.rejects(knock(), { code: 'ECONNREFUSED' });
  await engine.sandboxes.resume(box.id);
  assert.equal(await knock(), 'knock');
});

test('where its memory cannot be used it boots from its disk, and says so', async () => {
  await using box = await sandbox(engine, { enableNetwork: false });
  await output(box.id, 'echo disk >/root/file; sync');
  const wakes = async (wanted: RegExp | null): Promise<void> => {
    const boot = await boots(box.id);
    await engine.sandboxes.hibernate(box.id);
    await spoil(memoryOf(box.id));
    const { state, reason, metadata } = await engine.sandboxes.resume(box.id);
    assert.deepEqual([state, metadata.bootKind], ['running', 'cold']);
    assert.match(reason ?? '', wanted ?? /^$/);
    assert.notEqual(await boots(box.id), boot);
    assert.equal(await output(box.id, 'cat /root/file'), 'disk');
  };
  let spoil = async (memory: string): Promise<void> => {
    const name = (await readdir(memory)).find((each) => each === 'pages' || each === 'ram') ?? '';
    await truncate(join(memory, name), 4096);
  };
  await wakes(/booted from its disk, because its memory could not be used: .*4096 bytes/);
  spoil = async (memory) => {
    const manifest = join(memory, 'manifest.json');
    const text = await readFile(manifest, 'utf8');
    await writeFile(manifest, JSON.stringify({ ...JSON.parse(text), madeBy: 'another' }));
  };
  await wakes(/written by another qemu \(another\)/);
  spoil = (memory) => rm(memory, { recursive: true });
  await wakes(/its memory could not be used/);

  // The machine that is to go on refuses its devices.
  spoil = async (memory) => {
    const manifest = join(memory, 'manifest.json');
    const { files, ...rest } = JSON.parse(await readFile(manifest, 'utf8'));
    await writeFile(join(memory, 'state'), 'no state of QEMU');
    const { state: _state, ...others } = files;
    await writeFile(manifest, JSON.stringify({ ...rest, files: others }));
  };
  await wakes(/failed 2 times to go on from its memory/);
  const boot = await boots(box.id);
  await engine.sandboxes.hibernate(box.id);
  const { reason, metadata } = await engine.sandboxes.resume(box.id, { memory: false });
  assert.deepEqual([reason, metadata.bootKind], [null, 'cold']);
  assert.notEqual(await boots(box.id), boot);
});

test('with its disk alone it boots anew; stopped it gives its memory up; removed it leaves nothing', async () => {
  const box = await engine.sandboxes.create({ enableNetwork: false });
  const boot = await boots(box.id);
  await output(box.id, 'echo disk >/root/file');
  const asleep = await engine.sandboxes.hibernate(box.id, { memory: false });
  assert.equal(asleep.state, 'hibernated');
  const { reason, metadata } = await engine.sandboxes.resume(box.id);
  assert.deepEqual([reason, metadata.bootKind], [null, 'cold']);
  assert.equal(await output(box.id, 'cat /root/file'), 'disk', 'the guest has not written its disk');
  assert.notEqual(await boots(box.id), boot);

  await engine.sandboxes.hibernate(box.id);
  assert.ok((await readdir(memoryOf(box.id))).includes('manifest.json'));
  assert.equal((await engine.sandboxes.stop(box.id)).state, 'stopped');
  await assert.rejects(readdir(memoryOf(box.id)), { code: 'ENOENT' });
  await engine.sandboxes.start(box.id);
  await engine.sandboxes.hibernate(box.id);
  await engine.sandboxes.remove(box.id);
  await assert.rejects(engine.sandboxes.get(box.id), { code: 'sandbox_not_found' });
  assert.deepEqual(await readdir(under.layout.sandboxes), []);
});

test('a hypervisor that cannot write the memory of a running guest refuses', async () => {
  await assert.rejects(engine.sandboxes.create({ hypervisor: 'process', onTimeout: 'hibernate' }), {
    code: 'feature_unsupported',
    message: /^onTimeout: The hypervisor process cannot write the memory of a running sandbox to the disk: .*qemu/,
  });
});
