import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, Sandbox, TemplateManager, type ConnectionOptions } from 'novasandbox';
import {
  entrySchema,
  processInfoSchema,
  sandboxConfigSchema,
  sandboxInfoSchema,
  sandboxStatsSchema,
  templateInfoSchema,
} from '@novasandbox/protocol';

const mebibyte = 1024 * 1024;
const quick = { enableNetwork: false } as const;

/** What holds for the SDK wherever its sandboxes are. Each part is a test of its own. */
export const sdkContract: Readonly<Record<string, (way: ConnectionOptions) => Promise<void>>> = {
  'a sandbox is made, listed, frozen, measured, stopped, started and removed': async (way) => {
    const labels = { part: 'a=b', way: JSON.stringify(way).slice(0, 40) };
    await using box = await Sandbox.create({ ...way, ...quick, labels, env: { FROM: 'config' }, user: 'root' });
    const info = sandboxInfoSchema.parse(await box.getInfo());
    assert.equal(info.state, 'running');
    assert.deepEqual(sandboxConfigSchema.parse(box.config).env, { FROM: 'config' });
    assert.deepEqual(
      (await Sandbox.list({ ...way, labels })).map(({ id }) => id),
      [box.id],
    );
    assert.deepEqual(await Sandbox.list({ ...way, labels: { part: 'other' } }), []);
    await using same = await Sandbox.connect(box.id.slice(0, 6), way);
    assert.deepEqual(same.config, box.config);
    assert.equal(await same.executeCommand('echo $FROM; id -un'), 'config\nroot\n');
    assert.equal(await box.pause(), true);
    await assert.rejects(box.commands.run('true'), { code: 'sandbox_not_running' });
    assert.equal(await box.resume(), true);
    assert.equal(await box.resume(), false);
    assert.ok(sandboxStatsSchema.parse(await box.getStats()).memoryUsageMb > 0);
    assert.equal(typeof (await box.getLogs({ bytes: 1000 })).console, 'string');
    await box.setTimeout(60_000);
    assert.notEqual((await box.getInfo()).expiresAt, null);
    assert.equal(await box.stop({ force: true }), true);
    assert.deepEqual(await Sandbox.list({ ...way, labels }), []);
    assert.equal((await Sandbox.list({ ...way, labels, all: true })).length, 1);
    // A process has no disk to go on from; what was stopped stays as it was.
    await assert.rejects(box.start({ hypervisor: 'process' }), { code: 'feature_unsupported' });
    assert.equal((await box.getInfo()).state, 'stopped');
    assert.equal(await box.start({ hypervisor: 'auto' }), true);
    const { hypervisor } = await box.getInfo();
    assert.equal(await box.start({ hypervisor }), false);
    await assert.rejects(box.start({ hypervisor: 'process' }), { code: 'invalid_state' });
    assert.equal(await box.kill(), true);
    assert.equal(await Sandbox.kill(box.id, way), false);
  },

  'a create that is given up leaves nothing': async (way) => {
    const labels = { given: randomBytes(4).toString('hex') };
    const creating = Sandbox.create({ ...way, ...quick, labels, signal: AbortSignal.timeout(40) });
    await assert.rejects(creating, { code: 'cancelled' });
    const left = () => Sandbox.list({ ...way, labels, all: true });
    for (let tries = 0; (await left()).length > 0; tries += 1) await shortly(tries, 'it is still listed');
  },

  'commands: output apart, exit codes, stdin, time limits, cancelling': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    const seen: string[] = [];
    const failing = box.commands.run('echo out; echo err >&2; exit 7', { onStdout: (text) => void seen.push(text) });
    await assert.rejects(failing, (error) => {
      assert.ok(error instanceof CommandError);
      assert.deepEqual([error.exitCode, error.stdout, error.stderr], [7, 'out\n', 'err\n']);
      return true;
    });
    assert.deepEqual(seen, ['out\n']);
    const big = randomBytes(3 * mebibyte);
    const summed = await box.commands.run('sha256sum | cut -c 1-64', { stdin: big });
    assert.equal(summed.stdout.trim(), createHash('sha256').update(big).digest('hex'));
    const late = await box.commands.run('sleep 30', { timeoutMs: 300, check: false });
    assert.equal(late.timedOut, true);
    await assert.rejects(box.commands.run(['/no/such']), { code: 'command_not_found' });
    await assert.rejects(box.commands.run('true', { user: 'nobody-here' }), { code: 'unknown_user' });
    const abort = new AbortController();
    const long = box.commands.run(['sleep', '4321'], { signal: abort.signal });
    await delay(300);
    abort.abort();
    await assert.rejects(long, { code: 'cancelled' });
    const alive = async () => (await box.commands.list()).filter(({ running, argv }) => running && argv[1] === '4321');
    for (let tries = 0; (await alive()).length > 0; tries += 1) assert.ok(tries < 50, 'the command lives on');
  },

  'a reader that rests makes the command wait': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    let taken = 0;
    const go = Promise.withResolvers<void>();
    const running = box.commands.run('head -c 20000000 /dev/zero; touch /tmp/over', {
      maxOutputBytes: 1000,
      onStdout: async (_, bytes) => {
        taken += bytes.length;
        await go.promise;
      },
    });
    await delay(700);
    assert.equal(await box.files.exists('/tmp/over'), false);
    assert.ok(taken < 20_000_000);
    go.resolve();
    await running;
    assert.equal(taken, 20_000_000);
  },

  'in the background: input, attaching again from where it was, signals': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    const shout = await box.commands.run('while read line; do echo "$line!"; done', { background: true, stdin: true });
    await shout.sendStdin('one\n');
    for await (const { text } of shout) {
      assert.equal(text, 'one!\n');
      break;
    }
    await shout.disconnect();
    // What was said last before leaving arrives.
    await box.commands.sendStdin(shout.pid, 'two\n');
    const again = await box.commands.connect(shout.pid);
    assert.ok(
      processInfoSchema
        .array()
        .parse(await box.commands.list())
        .some(({ pid, running }) => pid === shout.pid && running),
    );
    await again.sendStdin('three\n');
    await again.closeStdin();
    assert.equal((await again.wait()).stdout, 'one!\ntwo!\nthree!\n');
    const sleeper = await box.commands.run(['sleep', '1000'], { background: true });
    assert.equal(await box.commands.kill(sleeper.pid, 'SIGTERM'), true);
    assert.equal((await sleeper.result()).signal, 15);
    assert.equal(await box.commands.kill(999_999), false);
  },

  'terminals have a size, and change it': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    let screen = '';
    const onData = (bytes: Uint8Array): void => void (screen += Buffer.from(bytes).toString());
    const pty = await box.pty.create({ cols: 100, rows: 30, command: ['/bin/sh'], onData });
    await pty.sendInput('stty size\n');
    for (let tries = 0; !screen.includes('30 100'); tries += 1) await shortly(tries, screen);
    await pty.resize({ cols: 91, rows: 22 });
    await pty.sendInput('stty size; exit 3\n');
    assert.equal((await pty.wait()).exitCode, 3);
    assert.match(screen, /22 91/);
  },

  'files of any size both ways, directories, ranges, watching': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    const { files } = box;
    const chunk = randomBytes(mebibyte);
    const sent = createHash('sha256');
    const entry = await files.write(
      'big',
      (async function* () {
        for (let i = 0; i < 24; i += 1) {
          sent.update(chunk);
          yield chunk;
        }
      })(),
    );
    assert.equal(entrySchema.parse(entry).size, 24 * mebibyte);
    const digest = sent.digest('hex');
    const got = createHash('sha256');
    await using stream = await files.readStream('big');
    for await (const part of stream) got.update(part);
    assert.equal(got.digest('hex'), digest);
    {
      // One that is left early ends the transfer, and nothing else.
      await using left = await files.readStream('big');
      for await (const _ of left) break;
    }
    await files.write('dir/ä b?&#.txt', 'text');
    assert.equal(await files.read('dir/ä b?&#.txt', { offset: 1, length: 2 }), 'ex');
    assert.equal(await files.read('dir/ä b?&#.txt', { offset: 9 }), '');
    assert.match(await files.read('/proc/version'), /Linux/);
    await files.write('dir/ä b?&#.txt', '+', { append: true });
    await assert.rejects(files.write('dir/ä b?&#.txt', 'x', { exclusive: true }), { code: 'file_exists' });
    assert.deepEqual(
      (await files.list('dir')).map(({ name, size }) => [name, size]),
      [['ä b?&#.txt', 5]],
    );
    assert.equal((await files.setAttributes('dir/ä b?&#.txt', { mode: 0o755 })).mode, 0o755);
    assert.equal(await files.makeDir('watched'), true);
    assert.equal(await files.makeDir('watched'), false);
    await using watch = await files.watch('watched');
    await files.write('watched/new', '1');
    for await (const { name } of watch) {
      assert.equal(name, 'new');
      break;
    }
    assert.equal((await files.rename('watched/new', 'renamed')).name, 'renamed');
    assert.equal(await files.remove('renamed'), true);
    assert.equal(await files.remove('renamed'), false);
  },

  'errors have the same codes': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick, name: `errors-${randomBytes(4).toString('hex')}` });
    const { files } = box;
    const large = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 64; i += 1) yield Buffer.alloc(mebibyte);
    };
    const name = box.name ?? '';
    for (const [code, call] of [
      ['sandbox_not_found', () => Sandbox.connect('nobody', way)],
      ['sandbox_exists', () => Sandbox.create({ ...way, ...quick, name })],
      ['unknown_template', () => Sandbox.create({ ...way, templateId: 'no-such' })],
      ['unknown_template', () => new TemplateManager(way).get('no-such')],
      ['invalid_argument', () => Sandbox.create({ ...way, memoryMb: 1 })],
      ['file_not_found', () => files.read('nothing')],
      ['file_not_found', () => files.exportTar('/nothing')],
      ['is_a_directory', () => files.read('/etc')],
      ['not_a_directory', () => files.write('/etc/passwd/x', Buffer.alloc(1))],
      ['file_not_found', () => files.watch('/nothing')],
      ['connection_refused', () => box.tunnel(9)],
      ['process_not_found', () => box.commands.connect(999_999)],
    ] as const) {
      await assert.rejects(call, { code }, `${code}: ${call.toString()}`);
    }
    // Refused while it still sends, which must not be told as a lost connection: whether it is, is decided by who is first, so several times.
    for (let i = 0; i < 20; i += 1)
      await assert.rejects(files.write('/etc/passwd/x', large()), { code: 'not_a_directory' });
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1000);
      throw new Error('the source broke');
    };
    await assert.rejects(files.write('half', source()), /the source broke/);
    templateInfoSchema.array().parse(await new TemplateManager(way).list());
  },

  'tunnels carry bytes both ways and end by halves': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    const script = `import socket
s = socket.create_server(('127.0.0.1', 7777)); print('up', flush=True); c = s.accept()[0]; n = 0
while True:
    d = c.recv(65536)
    if not d: break
    n += len(d)
c.sendall(b'x' * 3000000 + str(n).encode()); c.close()`;
    const hasPython = (await box.commands.run('command -v python3', { check: false })).exitCode === 0;
    if (!hasPython) return;
    const server = await box.commands.run(['python3', '-c', script], { background: true });
    for await (const { text } of server) if (text.includes('up')) break;
    const tunnel = await box.tunnel(7777);
    for (let i = 0; i < 5; i += 1) if (!tunnel.write(randomBytes(mebibyte))) await once(tunnel, 'drain');
    tunnel.end();
    const parts: Buffer[] = [];
    for await (const part of tunnel) parts.push(part as Buffer);
    const all = Buffer.concat(parts).toString();
    assert.equal(all.length, 3_000_000 + 7);
    assert.equal(all.slice(-7), String(5 * mebibyte));
    await server.wait();
  },

  'a sandbox that ends by itself is noticed': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick, timeoutMs: 1500 });
    for (let tries = 0; box.isRunning(); tries += 1) await shortly(tries, box.state);
    assert.equal((await box.getInfo()).state, 'stopped');
  },
};

async function shortly(tries: number, seen: string): Promise<void> {
  assert.ok(tries < 400, `it did not come to be: ${seen}`);
  await delay(25);
}
