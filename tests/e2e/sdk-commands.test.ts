import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, type CommandResult } from 'novasandbox';
import { sdkUnderTest } from '../support/sdk.ts';

test('run: strings by sh, lists as they are, with directory, environment and user', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  assert.equal((await sandbox.commands.run('echo $((6 * 7))')).stdout, '42\n');
  assert.equal((await sandbox.commands.run(['echo', '$HOME', 'a b'])).stdout, '$HOME a b\n');
  const { stdout } = await sandbox.commands.run('pwd; id -un; echo $WORD', {
    cwd: '/usr',
    user: 'root',
    env: { WORD: 'héllo' },
  });
  assert.equal(stdout, '/usr\nroot\nhéllo\n');
  assert.equal((await sandbox.commands.run('cat', { stdin: 'from a string' })).stdout, 'from a string');
  const pieces = (async function* () {
    for (let count = 0; count < 100; count += 1) yield `${count}\n`;
  })();
  assert.equal((await sandbox.commands.run('wc -l', { stdin: pieces })).stdout, '100\n');
  assert.equal(await sandbox.executeCommand('uname -s'), 'Linux\n');
});

test('failures throw with the whole result; other errors have codes of their own', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  await assert.rejects(sandbox.commands.run('echo out; echo err >&2; exit 3'), (error) => {
    assert.ok(error instanceof CommandError);
    assert.equal(error.code, 'command_failed');
    assert.equal(error.exitCode, 3);
    assert.equal(error.stdout, 'out\n');
    assert.match(error.message, /exited with 3: err/);
    return true;
  });
  await assert.rejects(sandbox.commands.run('sleep 60', { timeoutMs: 300 }), { code: 'command_timeout' });
  await assert.rejects(sandbox.commands.run(['no-such-program']), { code: 'command_not_found' });
  await assert.rejects(sandbox.commands.run(['/etc/passwd']), { code: 'command_not_executable' });
  await assert.rejects(sandbox.commands.run('true', { user: 'nobody-here' }), { code: 'unknown_user' });
  await assert.rejects(sandbox.commands.run('true', { cwd: '/no/such' }));
  const result = await sandbox.commands.run('kill -9 $$', { check: false });
  assert.deepEqual([result.exitCode, result.signal], [137, 9]);
});

test('output: split characters, bytes that are no text, callbacks, a bound', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  let seen = '';
  const split = "printf '\\342'; sleep 0.2; printf '\\202\\254\\377'; echo err >&2";
  let errors = '';
  const result = await sandbox.commands.run(split, {
    onStdout: (text) => void (seen += text),
    onStderr: (text) => void (errors += text),
  });
  assert.equal(seen, '€\ufffd');
  assert.equal(errors, 'err\n');
  assert.deepEqual(result.stdoutBytes, Uint8Array.of(0xe2, 0x82, 0xac, 0xff));
  const long = await sandbox.commands.run('yes 0123456789 | head -c 3000000', { maxOutputBytes: 1000 });
  assert.equal(long.stdoutBytes.length, 1000);
  assert.equal(long.stdoutTruncated, true);
  assert.equal(long.usage.stdoutBytes, 3_000_000);
});

test('a slow callback makes the command wait', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  let pauses = 0;
  const { usage } = await sandbox.commands.run('yes | head -c 5000000', {
    maxOutputBytes: 0,
    onStdout: async () => {
      pauses += 1;
      if (pauses < 10) await sleep(100);
    },
  });
  assert.equal(usage.stdoutBytes, 5_000_000);
  assert.ok(usage.wallUs > 500_000, `it ended after ${usage.wallUs} µs, before it could have been read`);
});

test('background: a handle to wait, read, write, signal; found again by its pid', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  const echo = await sandbox.commands.run('while read line; do echo "got $line"; done; exit 4', {
    background: true,
    stdin: true,
    tag: 'echo',
  });
  await echo.sendStdin('one\n');
  let seen = '';
  for await (const { text } of echo) {
    seen += text;
    if (seen.includes('one')) break;
  }
  const listed = (await sandbox.commands.list()).find(({ pid }) => pid === echo.pid);
  assert.deepEqual([listed?.running, listed?.tag, listed?.id], [true, 'echo', echo.id]);
  await sandbox.commands.sendStdin(echo.pid, 'two\n');
  const again = await sandbox.commands.connect(echo.pid);
  const both = again[Symbol.asyncIterator]();
  let replayed = '';
  while (!replayed.includes('two')) replayed += (await both.next()).value?.text ?? assert.fail(replayed);
  assert.equal(replayed, 'got one\ngot two\n');
  await again.disconnect();
  await echo.closeStdin();
  await assert.rejects(echo.wait(), { code: 'command_failed', exitCode: 4 });
  const sleeper = await sandbox.commands.run(['sleep', '1000'], { background: true });
  assert.equal(await sandbox.commands.kill(sleeper.pid, 'SIGTERM'), true);
  assert.equal((await sleeper.result()).signal, 15);
  assert.equal(await sandbox.commands.kill(999_999), false);
});

test('a background command nobody reads goes on', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  const noisy = await sandbox.commands.run('yes | head -c 5000000; echo done', { background: true });
  const { stdout, stdoutTruncated } = await noisy.wait();
  assert.ok(stdout.endsWith('done\n'));
  assert.equal(stdoutTruncated, true);
});

test('an abort kills the command, before it runs and while', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  for (const delayMs of [0, 1, 10, 500]) {
    const abort = new AbortController();
    const running = sandbox.commands.run('exec sleep 777', { signal: abort.signal });
    setTimeout(() => abort.abort(), delayMs);
    await assert.rejects(running, { code: 'cancelled' }, `after ${delayMs} ms`);
  }
  const { exitCode } = await sandbox.commands.run(['pgrep', '-x', 'sleep'], { check: false });
  assert.equal(exitCode, 1);
  await assert.rejects(sandbox.commands.run('true', { signal: AbortSignal.abort() }), { code: 'cancelled' });
});

test('many commands at once', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  const runs: Promise<CommandResult>[] = [];
  for (let count = 0; count < 20; count += 1) runs.push(sandbox.commands.run(`echo ${count}`));
  assert.deepEqual(
    (await Promise.all(runs)).map(({ stdout }) => Number(stdout)),
    runs.map((_, index) => index),
  );
});

test('a terminal: prompt, input, size, signals', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  let screen = '';
  const pty = await sandbox.pty.create({
    cols: 100,
    rows: 30,
    onData: (bytes) => void (screen += Buffer.from(bytes).toString()),
  });
  const shows = async (text: string): Promise<void> => {
    const deadline = Date.now() + 10_000;
    while (!screen.includes(text)) {
      assert.ok(Date.now() < deadline, `no ${JSON.stringify(text)} in ${JSON.stringify(screen)}`);
      await sleep(20);
    }
  };
  await pty.sendInput('stty size\r');
  await shows('30 100');
  await pty.resize({ cols: 55, rows: 11 });
  await sandbox.pty.sendInput(pty.pid, 'stty size; tty\r');
  await shows('11 55');
  await sandbox.pty.resize(pty.pid, { cols: 66, rows: 22 });
  await pty.sendInput('stty size\r');
  await shows('22 66');
  await pty.sendInput('exit 3\r');
  assert.equal((await pty.wait()).exitCode, 3);
  await using second = await sandbox.pty.create({ command: ['sleep', '1000'] });
  assert.equal(await sandbox.pty.kill(second.pid), true);
  assert.equal((await second.wait()).signal, 9);
});
