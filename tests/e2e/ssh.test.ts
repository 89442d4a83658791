import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { cliUnderTest, finished, until, type Cli, type CliResult } from '../support/nova-cli.ts';

/** The client is the one of this machine: OpenSSH with its scp and sftp, and rsync. */

let cli: Cli;
let config: string;
let files: string;
const blob = randomBytes(3_000_001);

before(async () => {
  cli = await cliUnderTest();
  files = join(cli.home.home, 'files');
  await mkdir(files);
  await writeFile(join(files, 'blob'), blob);
  config = join(files, 'config');
  await cli.ok('create', '--name', 'Box', '--memory', '512m');
  await writeFile(config, `${await cli.ok('ssh-config', 'Box')}\n`);
});
after(async () => {
  await cli?.[Symbol.asyncDispose]();
});

const start = (program: string, argv: readonly string[]): ChildProcess =>
  spawn(program, ['-F', config, ...argv], { env: cli.home.env });

async function run(program: string, argv: readonly string[], input: string | Buffer = ''): Promise<CliResult> {
  const child = start(program, argv);
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  return finished(child);
}

async function ok(program: string, argv: readonly string[], input: string | Buffer = ''): Promise<string> {
  const { code, stdout, stderr } = await run(program, argv, input);
  assert.equal(code, 0, `${program} ${argv.join(' ')}: ${stdout}${stderr}`);
  return stdout.trim();
}

const guestFile = async (path: string): Promise<Buffer> =>
  (await cli.nova(['exec', 'Box', '--', 'cat', path])).stdoutBytes;

test('a command has its exit code, its two outputs and its input, byte for byte', async () => {
  const ended = await run('ssh', ['Box.nova', 'pwd; id -un; echo "$WORD" >&2; exit 7'], '');
  assert.deepEqual([ended.code, ended.stdout, ended.stderr], [7, '/home/user\nuser\n', '\n']);
  const echoed = await run('ssh', ['Box.nova', 'cat'], blob);
  assert.equal(echoed.code, 0);
  assert.ok(echoed.stdoutBytes.equals(blob));
  const both = await run('ssh', ['-o', 'SetEnv=WORD=blue', '-l', 'root', 'Box.nova', 'id -u; echo $WORD'], '');
  assert.equal(both.stdout, '0\nblue\n');
  // OpenSSH's own status for a program that a signal ended.
  assert.equal((await run('ssh', ['Box.nova', 'kill -TERM $$'])).code, 255);
  const unknown = await run('ssh', ['-l', 'nobody-at-all', 'Box.nova', 'true']);
  assert.equal(unknown.code, 255);
  assert.match(unknown.stderr, /nobody-at-all/);
});

test('nova ssh takes a command, a user and the exit code; the keys are their owner’s alone', async () => {
  const ended = await cli.nova(['ssh', '-u', 'root', 'Box', '--', 'id', '-un;', 'exit', '5']);
  assert.deepEqual([ended.code, ended.stdout], [5, 'root\n']);
  const missing = await cli.nova(['ssh', 'nothing-here', '--', 'true']);
  assert.equal(missing.code, 255);
  assert.match(missing.stderr, /nothing-here/);
  const folder = join(cli.home.home, 'ssh');
  assert.deepEqual((await readdir(folder)).sort(), ['host_key', 'known_hosts', 'user_key']);
  for (const name of await readdir(folder)) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
});

test('a shell has a terminal', async () => {
  const terminal = spawn('script', ['-qec', `ssh -F ${config} Box.nova; echo "ended with $?"`, '/dev/null'], {
    env: { ...cli.home.env, TERM: 'xterm', SHELL: '/bin/bash' },
  });
  await until(terminal.stdout, '$ ');
  terminal.stdin?.write('tty; echo "<$TERM>"; exit 6\r');
  const { stdout } = await finished(terminal);
  assert.match(stdout, /\/dev\/pts\/\d+\r\n<xterm>\r\n[^]*ended with 6/);
});

test('the size of a terminal is passed on, and its changes', async () => {
  const script = `stty cols 97 rows 31; ssh -F ${config} -tt Box.nova 'trap "stty size; exit 3" WINCH; stty size; echo ready; while :; do sleep 0.1; done' < /dev/tty & \
    wait_for() { until grep -q "$1" ${files}/screen; do sleep 0.1; done; }; wait_for ready; stty cols 44 rows 22 < /dev/tty; wait; true`;
  const terminal = spawn('script', ['-qefc', script, join(files, 'screen')], {
    env: { ...cli.home.env, TERM: 'xterm', SHELL: '/bin/bash' },
  });
  const { stdout } = await finished(terminal);
  assert.match(stdout, /31 97\r\n[^]*22 44\r\n/);
});

test('scp copies both ways, folders and times too', async () => {
  await ok('scp', [join(files, 'blob'), 'Box.nova:blob']);
  assert.ok((await guestFile('/home/user/blob')).equals(blob));
  await ok('scp', ['Box.nova:/home/user/blob', join(files, 'back')]);
  assert.ok((await readFile(join(files, 'back'))).equals(blob));
  const tree = join(files, 'tree');
  await mkdir(join(tree, 'sub'), { recursive: true });
  await writeFile(join(tree, 'sub/a file'), 'content', { mode: 0o750 });
  await utimes(join(tree, 'sub/a file'), 1_000_000_000, 1_000_000_000);
  await ok('scp', ['-rp', tree, 'Box.nova:']);
  assert.equal(await cli.ok('exec', 'Box', '--', 'stat', '-c', '%a %Y %U', 'tree/sub/a file'), '750 1000000000 user');
  await ok('scp', ['-rp', 'Box.nova:tree', join(files, 'tree back')]);
  const there = await stat(join(files, 'tree back/sub/a file'));
  assert.deepEqual([there.mode & 0o777, there.mtimeMs], [0o750, 1_000_000_000_000]);
});

test('sftp makes, shows, changes and removes files, and refuses what would destroy', async () => {
  const said = await ok(
    'sftp',
    ['-b', '-', 'Box.nova'],
    `mkdir d
cd d
put ${files}/blob b
ln -s b l
-rename b l
rename b c
chmod 600 c
ls -l
-rmdir /home/user/d
-rm .
-get missing
rm l
`,
  );
  assert.match(said, /-rw------- .* 3000001 .* c\n/);
  assert.match(said, /lrwxrwxrwx .* l\n/);
  assert.equal(await cli.ok('exec', 'Box', '--', 'ls', '-A', 'd'), 'c');
  // The first half is there already: reput writes the rest from the middle on.
  await cli.ok('exec', 'Box', '--', 'truncate', '-s', '1500000', 'd/c');
  await ok('sftp', ['-b', '-', 'Box.nova'], `reput ${files}/blob d/c\nget d/c ${files}/c\n`);
  assert.ok((await readFile(join(files, 'c'))).equals(blob));
});

test('rsync sends a folder and then its changes alone', async () => {
  // The guest gets the rsync of this machine, with its libraries.
  const program = execFileSync('which', ['rsync']).toString().trim();
  const libraries =
    execFileSync('ldd', [program])
      .toString()
      .match(/\/\S+\.so\S*/g) ?? [];
  await cli.ok('exec', 'Box', '--', 'mkdir', '-p', '/tmp/rsync');
  // A link is not followed, so the files that they lead to are copied under their names.
  for (const file of [program, ...libraries])
    await cli.ok('cp', realpathSync(file), `Box:/tmp/rsync/${basename(file)}`);
  const loader =
    libraries
      .find((file) => file.includes('ld-linux'))
      ?.split('/')
      .pop() ?? '';
  const there = `/tmp/rsync/${loader} --library-path /tmp/rsync /tmp/rsync/rsync`;
  const rsync = (...argv: string[]): string =>
    execFileSync('rsync', ['-e', `ssh -F ${config}`, '--rsync-path', there, ...argv], { env: cli.home.env }).toString();
  const source = join(files, 'synced');
  await mkdir(source);
  await writeFile(join(source, 'one'), blob);
  rsync('-a', `${source}/`, 'Box.nova:synced/');
  assert.ok((await guestFile('/home/user/synced/one')).equals(blob));
  await writeFile(join(source, 'two'), 'second');
  assert.match(rsync('-ai', `${source}/`, 'Box.nova:synced/'), /two\n$/);
  rsync('-a', 'Box.nova:synced/', join(files, 'synced back'));
  assert.ok((await readFile(join(files, 'synced back/one'))).equals(blob));
});

test('a local forward leads to the guest’s loopback; other machines, remote forwards and agents are refused', async () => {
  const serving = `import socket
s = socket.create_server(('127.0.0.1', 7777))
while True:
    c, _ = s.accept(); n = 0
    while True:
        d = c.recv(65536)
        if not d: break
        n += len(d)
    c.sendall(b'got %d' % n); c.close()`;
  const id = await cli.ok('exec', '-d', 'Box', '--', 'python3', '-c', serving);
  assert.match(id, /^\d+$/);
  const [own, foreign] = [await freePort(), await freePort()];
  const client = start('ssh', ['-N', '-L', `${own}:localhost:7777`, '-L', `${foreign}:192.0.2.1:80`, 'Box.nova']);
  await eventually('the forward works', async () => (await asked(own, blob)) === `got ${blob.length}`);
  assert.equal(await asked(foreign, Buffer.from('x')), '');
  client.kill();
  await once(client, 'exit');
  const remote = await run('ssh', ['-o', 'ExitOnForwardFailure=yes', '-R', '9999:localhost:22', 'Box.nova', 'true']);
  assert.equal(remote.code, 255);
  assert.equal(await ok('ssh', ['-A', 'Box.nova', 'echo "${SSH_AUTH_SOCK-none}"']), 'none');
});

test('a client that vanishes leaves no process in the guest', async () => {
  const client = start('ssh', ['Box.nova', 'echo begun; trap "" HUP; exec sleep 98765']);
  await until(client.stdout, 'begun');
  client.kill('SIGKILL');
  await once(client, 'exit');
  await eventually(
    'the process has gone',
    async () => (await cli.nova(['exec', 'Box', '--', 'pgrep', '-f', 'sleep 98765'])).code === 1,
  );
});

test('the lines are written to a file, replaced, and taken out again', async () => {
  const file = join(files, 'users', 'config');
  await mkdir(join(files, 'users'));
  await writeFile(file, 'Host other\n  User ann\n', { mode: 0o640 });
  assert.equal((await cli.nova(['ssh-config', '--write', file, 'Box'])).code, 2);
  for (let times = 0; times < 2; times += 1) await cli.ok('ssh-config', '--yes', '--write', file, 'Box');
  const written = await readFile(file, 'utf8');
  assert.equal(written.split('Host Box.nova').length, 2);
  assert.equal((await stat(file)).mode & 0o777, 0o640);
  assert.equal(spawnSync('ssh', ['-F', file, '-G', 'Box.nova']).status, 0);
  await cli.ok('ssh-config', '--remove', file, 'Box');
  assert.equal(await readFile(file, 'utf8'), 'Host other\n  User ann\n');
  const again = await cli.nova(['ssh-config', '--remove', file, 'Box']);
  assert.match(again.stderr, /has no lines of/);
});

test('all of it works over a daemon too', async () => {
  const daemon = cli.start(['serve', '--port', '0']);
  await until(daemon.stdout, '(key in');
  try {
    const ended = await run('ssh', ['Box.nova', 'cat; exit 3'], blob);
    assert.equal(ended.code, 3);
    assert.ok(ended.stdoutBytes.equals(blob));
    await ok('scp', [join(files, 'blob'), 'Box.nova:over']);
    await ok('scp', ['Box.nova:over', join(files, 'over')]);
    assert.ok((await readFile(join(files, 'over'))).equals(blob));
  } finally {
    daemon.kill();
    await once(daemon, 'exit');
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The whole answer to the bytes; empty where the connection is closed without one. */
async function asked(port: number, bytes: Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (data) => (answer += data.toString())).on('error', () => undefined);
  socket.end(bytes);
  // A refused connection may be reset, which is no error here.
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}
