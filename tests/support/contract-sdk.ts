import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  Access,
  CommandError,
  NetworkPolicies,
  Sandbox,
  TemplateManager,
  type ConnectionOptions,
  type SandboxEvent,
} from 'novasandbox';
import {
  entrySchema,
  manifestEntrySchema,
  processInfoSchema,
  sandboxConfigSchema,
  sandboxInfoSchema,
  sandboxStatsSchema,
  templateInfoSchema,
  type ManifestEntry,
  type NetworkPolicyInput,
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

  'a sandbox is hibernated, resumed, woken by requests, and goes on': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick, autoResume: true, onTimeout: 'hibernate' });
    const { onTimeout, autoResume } = sandboxInfoSchema.parse(await box.getInfo());
    assert.deepEqual([onTimeout, autoResume], ['hibernate', true]);
    await box.commands.run('echo kept >/dev/shm/file');
    assert.equal(await box.hibernate(), true);
    assert.equal(await box.hibernate(), false);
    assert.equal(box.state, 'hibernated');
    assert.ok((await Sandbox.list(way)).some(({ id, state }) => id === box.id && state === 'hibernated'));
    assert.equal(await box.files.read('/dev/shm/file'), 'kept\n');
    assert.equal((await box.getInfo()).state, 'running');
    await box.hibernate();
    assert.equal(await box.resume(), true);
    assert.equal(await box.resume(), false);
    assert.equal(box.metadata.bootKind, 'snapshot');
    assert.equal(await box.executeCommand('cat /dev/shm/file'), 'kept\n');
    await box.hibernate({ memory: false });
    await assert.rejects(box.commands.run('true'), { code: 'sandbox_not_running' });
    assert.equal(await box.resume(), true);
    assert.equal(box.metadata.bootKind, 'cold');
    await box.hibernate();
    assert.equal(await box.resume({ memory: false }), true);
    assert.deepEqual([(await box.getInfo()).reason, box.metadata.bootKind], [null, 'cold']);
    await box.hibernate();
    assert.equal(await box.kill(), true);
  },

  'output of a command is read so far, and followed from there': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    const script = 'echo one; echo err >&2; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo two; exit 7';
    const { pid, id } = await box.commands.run(script, { background: true });
    let soFar = await box.commands.output(pid);
    while (soFar.stderrEnd === 0) soFar = await box.commands.output({ id });
    assert.deepEqual([soFar.stdout, soFar.stderr, soFar.running, soFar.exitCode], ['one\n', 'err\n', true, null]);
    assert.deepEqual([soFar.stdoutOffset, soFar.stdoutEnd, soFar.stderrEnd], [0, 4, 4]);
    const later = { stdoutOffset: soFar.stdoutEnd, stderrOffset: soFar.stderrEnd };
    await using rest = await box.commands.connect(pid, later);
    assert.equal((await box.commands.output(pid, later)).stdout, '');
    await box.files.write('/tmp/go', '');
    const { stdout, stderr, exitCode } = await rest.result();
    assert.deepEqual([stdout, stderr, exitCode], ['two\n', '', 7]);
    const all = await box.commands.output({ id }, { maxOutputBytes: 5 });
    assert.deepEqual([all.stdout, all.stdoutOffset, all.running, all.exitCode], ['\ntwo\n', 3, false, 7]);
    await assert.rejects(box.commands.output({ id: id + 1000 }), { code: 'process_not_found' });
  },

  'a sandbox is renamed; a name that another one has is refused': async (way) => {
    const name = `n-${randomBytes(4).toString('hex')}`;
    await using box = await Sandbox.create({ ...way, ...quick, name });
    await using other = await Sandbox.create({ ...way, ...quick });
    await assert.rejects(other.rename(name), { code: 'sandbox_exists' });
    await assert.rejects(other.rename('../x'), { code: 'invalid_argument' });
    await box.rename(`${name}-new`);
    assert.equal(box.name, `${name}-new`);
    await other.rename(name);
    await other.rename(name);
    await using found = await Sandbox.connect(name, way);
    assert.equal(found.id, other.id);
  },

  'events of a sandbox are told until it is removed': async (way) => {
    const name = `n-${randomBytes(4).toString('hex')}`;
    const box = await Sandbox.create({ ...way, ...quick });
    const leaving = new AbortController();
    const told: SandboxEvent[] = [];
    const listening = (async () => {
      for await (const event of box.events({ types: ['vm'] })) told.push(event);
    })();
    let heardByOthers = false;
    const others = (async () => {
      for await (const event of Sandbox.events({ ...way, types: ['vm.renamed'], signal: leaving.signal })) {
        if (event.sandboxId !== box.id) continue;
        heardByOthers = true;
        return event;
      }
      return null;
    })();
    // Nobody knows when a listener has begun to listen, so the sandbox is renamed until both have heard of it.
    let renamed = 0;
    const heard = () => heardByOthers && told.some(({ type }) => type === 'vm.renamed');
    while (!heard()) {
      await box.rename(`${name}-${(renamed += 1)}`);
      await delay(200);
    }
    assert.equal((await others)?.sandboxId, box.id);
    await box.pause();
    await until(() => told.some(({ type }) => type === 'vm.paused'));
    await Sandbox.kill(box.id, way);
    await listening;
    assert.deepEqual(
      told.filter(({ type }) => type !== 'vm.renamed').map(({ type, sandboxId }) => [type, sandboxId]),
      [
        ['vm.paused', box.id],
        ['vm.stopped', box.id],
        ['vm.removed', box.id],
      ],
    );
    assert.ok(told.every(({ id }, at) => at === 0 || id > (told[at - 1]?.id ?? 0)));
    leaving.abort();
    await box.disconnect();
  },

  'events that are kept are those of a daemon': async (way) => {
    const kept = async (): Promise<SandboxEvent[]> => {
      const found: SandboxEvent[] = [];
      for await (const event of Sandbox.events({ ...way, follow: false, since: new Date(0) })) found.push(event);
      return found;
    };
    if (way.embedded === true) return assert.rejects(kept(), { code: 'feature_unsupported' });
    await using box = await Sandbox.create({ ...way, ...quick });
    await box.commands.run('true');
    const types = (await kept()).filter(({ sandboxId }) => sandboxId === box.id).map(({ type }) => type);
    for (const type of ['vm.created', 'command.started', 'command.ended'] as const)
      assert.ok(types.includes(type), type);
    const access = new Access(way);
    assert.equal((await access.whoAmI()).role, 'admin');
  },

  'logs say why the console of a clone is empty': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    const { console: text, note } = await box.getLogs();
    if (box.metadata.bootKind === 'snapshot' && text === '')
      assert.match(note ?? '', /because this sandbox is a clone/);
    else assert.equal(note, null);
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

  'a tree is listed for a comparison': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    const { files } = box;
    await box.commands.run(
      'mkdir -p tree/a/.git tree/b && cd tree && printf abc > a/abc && touch a/.git/x b/y && ln -s a l',
    );
    const listed = async (request: Parameters<typeof files.manifest>[1]): Promise<ManifestEntry[]> => {
      await using manifest = await files.manifest('tree', request);
      const entries = (await Array.fromAsync(manifest)).flat();
      return manifestEntrySchema.array().parse(entries.toSorted((one, other) => (one.path < other.path ? -1 : 1)));
    };
    const all = await listed({ skip: ['.git', '/b'], hashBytes: 100 });
    assert.deepEqual(
      all.map(({ path, type, size, link, sha256 }) => [
        path,
        type,
        size * Number(type === 'file'),
        link,
        sha256?.slice(0, 8),
      ]),
      [
        ['a', 'directory', 0, null, undefined],
        ['a/abc', 'file', 3, null, 'ba7816bf'],
        ['l', 'symlink', 0, 'a', undefined],
      ],
    );
    const only = await listed({ only: ['a/abc', 'nothing'] });
    assert.deepEqual([only.length, only[0]?.version, only[0]?.sha256], [1, all[1]?.version, null]);
    await box.commands.run('chmod 600 tree/a/abc');
    assert.notEqual((await listed({ only: ['a/abc'] }))[0]?.version, only[0]?.version);
    await assert.rejects(listed({ limit: 2 }), { code: 'guest_resource_exhausted' });
    await assert.rejects(files.manifest('nothing'), { code: 'file_not_found' });
  },

  'a folder is pushed, compared and applied': async (way) => {
    await using box = await Sandbox.create({ ...way, ...quick });
    const folder = await mkdtemp(join(tmpdir(), 'nova-contract-'));
    try {
      for (const name of ['a', 'b', 'c']) await writeFile(join(folder, name), `${name}\n`);
      assert.equal((await box.workspace.push(folder)).sentFiles, 3);
      await box.commands.run('cd /workspace && echo more >> a && rm b && echo new > d && mkfifo pipe');
      const { changes } = await box.workspace.diff();
      const found = changes.map(({ path, kind, refused }) => [path, kind, refused !== null]);
      assert.deepEqual(found, [
        ['a', 'modified', false],
        ['b', 'deleted', false],
        ['d', 'added', false],
        ['pipe', 'added', true],
      ]);
      assert.deepEqual((await box.workspace.apply()).applied, ['a', 'b', 'd']);
      assert.deepEqual((await readdir(folder)).toSorted(), ['a', 'c', 'd']);
      assert.equal(await readFile(join(folder, 'a'), 'utf8'), 'a\nmore\n');
    } finally {
      await rm(folder, { recursive: true });
    }
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
    // Refused while it still sends, which must not be told as a lost connection: whether it is, is decided by who is
    // first, so several times.
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

  'policies with names are made, tested, used, changed and removed': async (way) => {
    const policies = new NetworkPolicies(way);
    const name = `p-${randomBytes(4).toString('hex')}`;
    const rules: NetworkPolicyInput['rules'] = [{ action: 'allow', host: '*.example.com', ports: [443] }];
    const made = await policies.create({ name, policy: { rules } });
    assert.deepEqual([made.owner, made.usedBy, made.policy.otherwise], [null, [], 'deny']);
    await assert.rejects(policies.create({ name, policy: {} }), { code: 'conflict' });
    await assert.rejects(policies.create({ name: 'none', policy: {} }), { code: 'invalid_argument' });
    assert.equal((await policies.test(name, { host: 'a.example.com', port: 443 })).rule, 'allow *.example.com:443');
    const denied = await policies.test(name, { host: 'a.example.com', port: 80 });
    assert.deepEqual([denied.allowed, denied.code, denied.at], [false, 'not_allowed', 'connection']);
    await using box = await Sandbox.create({ ...way, ...quick, policy: name });
    await assert.rejects(Sandbox.create({ ...way, ...quick, policy: `${name}-not` }), { code: 'not_found' });
    assert.deepEqual((await policies.get(name)).usedBy, [box.id]);
    await assert.rejects(policies.remove(name), { code: 'conflict' });
    assert.equal((await policies.change(name, { otherwise: 'ask' })).policy.otherwise, 'ask');
    assert.equal((await policies.test(name, { host: 'a.test', port: 443 })).code, 'approval_needed');
    assert.deepEqual(await policies.approvals({ sandbox: box.id, pending: true }), []);
    await assert.rejects(policies.answer('0'.repeat(32), { action: 'allow' }), { code: 'not_found' });
    await assert.rejects(policies.learned(box.id), { code: 'invalid_state' });
    await box.setPolicy('none');
    assert.ok((await policies.list()).some((each) => each.id === made.id));
    await policies.remove(made.id);
    await assert.rejects(policies.get(name), { code: 'not_found' });
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

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(50);
}
