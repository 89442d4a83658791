import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { daemonUnderTest, type DaemonUnderTest } from '../support/daemon.ts';
import { finished, novaCommand, type CliResult } from '../support/nova-cli.ts';

let daemon: DaemonUnderTest;
before(async () => void (daemon = await daemonUnderTest()));
after(() => daemon?.[Symbol.asyncDispose]());

const run = (program: string, words: readonly string[]): Promise<CliResult> =>
  finished(
    spawn(program, words, {
      env: { ...process.env, NOVA_HOME: '/nonexistent', NOVA_API_KEY: '', NOVA_API_URL: daemon.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
const nova = (words: readonly string[]): Promise<CliResult> =>
  run(novaCommand[0] ?? '', [...novaCommand.slice(1), ...words]);

test('a key comes from a file, before the verb and after it, or from stdin', async () => {
  const { keyFile } = daemon.home.layout.daemon;
  for (const words of [
    ['--api-key-file', keyFile, 'ls', '--quiet'],
    ['ls', '--quiet', `--api-key-file=${keyFile}`],
  ])
    assert.deepEqual(await nova(words), { code: 0, stdout: '', stdoutBytes: Buffer.alloc(0), stderr: '' });
  const piped = ['-c', 'cat "$0" | "$@"', keyFile, ...novaCommand, '--api-key-file', '/dev/stdin', 'ls'];
  assert.equal((await run('sh', piped)).code, 0);
  const none = await nova(['ls']);
  assert.equal(none.code, 1);
  for (const [words, message] of [
    [['--api-key-file', '/no/such/file', 'ls'], /cannot be read/],
    [['--api-key-file', '/dev/null', 'ls'], /must hold one key/],
    [['--api-key', 'x', '--api-key-file', keyFile, 'ls'], /cannot be used with/],
  ] as const) {
    const { code, stderr } = await nova(words);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
});

test('a key on the command line works, and is warned of where a person may read it', async () => {
  const { code, stderr } = await nova(['--api-key', daemon.apiKey, 'ls']);
  assert.equal(code, 0);
  assert.match(stderr, /^nova: a key in --api-key can be read by every user of this machine: use --api-key-file/);
  assert.ok(!stderr.includes(daemon.apiKey));
  // Programs that read JSON get nothing else.
  assert.equal((await nova(['--api-key', daemon.apiKey, 'ls', '--json'])).stderr, '');
});

test("a daemon's admin key comes from a file too", async () => {
  const file = join(daemon.home.home, 'key');
  writeFileSync(file, `nova_${'ab'.repeat(20)}\n`, { mode: 0o600 });
  const shown = await nova(['config', 'show', '--api-key-file', file]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.equal((JSON.parse(shown.stdout) as { security: { api_key: string } }).security.api_key, '[redacted]');
  writeFileSync(file, 'short\n');
  const refused = await nova(['serve', '--port', '0', '--api-key-file', file]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^nova: --api-key-file: /);
});
