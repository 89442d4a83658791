import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { Access, Sandbox } from 'novasandbox';
import { daemonUnderTest, type DaemonUnderTest } from '../support/daemon.ts';
import { finished, novaCommand, type CliResult } from '../support/nova-cli.ts';

/** Access to a daemon, by the command line and the library. */
suite('keys, users and events of a daemon', () => {
  let daemon: DaemonUnderTest;
  before(async () => {
    daemon = await daemonUnderTest();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const nova = (
    argv: readonly string[],
    { input = '', env = {} }: { input?: string; env?: NodeJS.ProcessEnv } = {},
  ) => {
    const child = spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), ...argv], {
      env: { ...daemon.home.env, ...env },
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    return finished(child);
  };
  const ok = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await nova(argv);
    assert.equal(code, 0, `nova ${argv.join(' ')}: ${stderr}`);
    return stdout.trimEnd();
  };
  /** Calls the daemon with that key, as from another machine. */
  const withKey = (key: string, ...argv: string[]): Promise<CliResult> =>
    nova(argv, { env: { NOVA_HOME: '/nonexistent', NOVA_API_URL: daemon.url, NOVA_API_KEY: key } });

  test('a key is made, shown once, used and revoked', async () => {
    const made = await nova([
      'key',
      'create',
      'watcher',
      '--role',
      'user',
      '--scope',
      'vm:read',
      '--scope',
      'system:read',
      '--expires',
      '1h',
    ]);
    assert.equal(made.code, 0, made.stderr);
    const key = made.stdout.trimEnd();
    assert.match(key, /^nova_[0-9a-f]{32,}$/);
    const id = /this is key (\w+) of the role user; it is not shown again/.exec(made.stderr)?.[1] ?? '';
    assert.match(
      await ok('key', 'ls'),
      new RegExp(`^${id} +watcher +user +- +\\S+ +vm:read,system:read +good +20`, 'm'),
    );
    assert.ok(!(await ok('key', 'ls', '--json')).includes(key));
    const me = JSON.parse((await withKey(key, 'user', 'whoami', '--json')).stdout) as {
      role: string;
      permissions: string[];
    };
    assert.deepEqual([me.role, me.permissions], ['user', ['vm:read', 'system:read']]);
    const refused = await withKey(key, 'key', 'ls', '--json');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /"forbidden"[^]*security:read/);
    assert.equal(await ok('key', 'rm', id), id);
    assert.match((await withKey(key, 'user', 'whoami')).stderr, /hint: /);
    assert.ok(!(await ok('key', 'ls', '-q')).split('\n').includes(id));
    assert.match(await ok('key', 'ls', '--all'), new RegExp(`^${id} .* revoked `, 'm'));
    const missing = await nova(['key', 'rm', 'nobody', 'admin']);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /There is no key "nobody"[^]*nova key ls[^]*admin key cannot be revoked/);
  });

  test('a user is added with a password from stdin, has keys, and is removed', async () => {
    const added = await nova(['user', 'add', 'ann', '--team', 'crew', '--password-stdin', '--json'], {
      input: 'correct horse battery\n',
    });
    assert.equal(added.code, 0, added.stderr);
    const { username, role, team } = JSON.parse(added.stdout) as Record<string, string>;
    assert.deepEqual([username, role, team], ['ann', 'user', 'crew']);
    assert.match(await ok('user', 'ls'), /^ann +user +crew +20/m);
    const login = await fetch(`${daemon.url}/api/v1/security/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'ann', password: 'correct horse battery' }),
    });
    assert.equal(login.status, 200);
    const key = (await nova(['key', 'create', 'laptop', '--user', 'ann'])).stdout.trimEnd();
    assert.match((await withKey(key, 'user', 'whoami')).stdout, /user:ann +crew/);
    const again = await nova(['user', 'add', 'ann', '--password-stdin'], { input: 'correct horse battery' });
    assert.deepEqual([again.code, /There is a user "ann" already/.test(again.stderr)], [1, true]);
    const short = await nova(['user', 'add', 'bob', '--password-stdin'], { input: 'short' });
    assert.equal(short.code, 2);
    assert.match(short.stderr, /^nova: --password-stdin: Too small/);
    assert.match((await nova(['user', 'add', 'bob'])).stderr, /There is no terminal[^]*--password-stdin/);
    assert.match(await ok('user', 'roles'), /^power_user +the team's +vm:read /m);
    assert.equal(await ok('user', 'rm', 'ann'), 'ann');
    assert.equal((await withKey(key, 'user', 'whoami')).code, 1);
    assert.match(
      (await nova(['key', 'create', 'x', '--user', 'ann'])).stderr,
      /There is no user "ann"[^]*nova user ls/,
    );
    assert.match((await nova(['key', 'create', 'x', '--scope', 'no:such'])).stderr, /^nova: --scope: Invalid option/);
  });

  test('without a daemon there is nobody to let in', async () => {
    for (const argv of [
      ['key', 'ls'],
      ['user', 'ls'],
    ]) {
      const { code, stderr } = await nova(['--embedded', ...argv, '--json']);
      assert.equal(code, 1);
      assert.match(stderr, /feature_unsupported[^]*nova serve/);
    }
  });

  test('the library has the same', async () => {
    const access = new Access({ apiUrl: daemon.url, apiKey: daemon.apiKey });
    const { key, e2bKey, ...made } = await access.createKey({ name: 'lib', role: 'readonly', expiresInMs: 60_000 });
    assert.equal(key.replace('nova_', 'e2b_'), e2bKey);
    assert.ok((await access.listKeys()).some(({ id }) => id === made.id));
    assert.equal((await new Access({ apiUrl: daemon.url, apiKey: key }).whoAmI()).role, 'readonly');
    await assert.rejects(Sandbox.create({ apiUrl: daemon.url, apiKey: key }), { code: 'forbidden' });
    await access.revokeKey(made.id);
    const user = await access.createUser({ username: 'lib', password: 'correct horse battery' });
    assert.deepEqual(
      (await access.listUsers()).find(({ username }) => username === 'lib'),
      user,
    );
    assert.deepEqual(
      (await access.roles()).map(({ name }) => name),
      ['admin', 'power_user', 'user', 'readonly'],
    );
    await access.removeUser('lib');
    await assert.rejects(access.removeUser('lib'), { code: 'not_found' });
  });

  test('events are followed over a new start of the daemon', async () => {
    const home = daemon.home;
    const following = spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), 'events', '--since', '1h', '--json'], {
      env: home.env,
    });
    let told = '';
    following.stdout.setEncoding('utf8').on('data', (text: string) => (told += text));
    const starts = async (count: number): Promise<void> => {
      while ([...told.matchAll(/"server\.started"/g)].length < count) await once(following.stdout, 'data');
    };
    await starts(1);
    const kept = await ok('events', '--no-follow', '--json');
    assert.match(kept, /"type":"server\.started"/);
    assert.match(await ok('events', '--no-follow', '--filter', 'type=server'), /server\.started/);
    assert.equal(await ok('events', '--no-follow', '--since', '2099-01-01T00:00:00Z'), '');
    assert.match((await nova(['events', '--filter', 'type=no.such'])).stderr, /there is no type "no\.such"/);
    assert.match(
      (await nova(['--embedded', 'events', '--json', '--since', '1h'])).stderr,
      /feature_unsupported[^]*nova serve/,
    );
    await daemon.stop();
    const next = await daemonUnderTest(home);
    try {
      await starts(2);
    } finally {
      following.kill('SIGINT');
      await finished(following);
      await next.stop();
    }
  });
});
