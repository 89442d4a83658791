import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { clients, type Box } from '../support/e2b-clients.ts';
import { e2bUnderTest, type E2bUnderTest } from '../support/e2b-server.ts';
import { eventually } from '../support/eventually.ts';

for (const { version, e2b } of clients) {
  suite(`npm e2b ${version}: commands, terminals, git`, () => {
    let served: E2bUnderTest;
    let box: Box;
    before(async () => {
      served = await e2bUnderTest();
      box = await e2b.Sandbox.create('base', { ...served.options, envs: { GIVEN: 'at create', BOTH: 'create' } });
    });
    after(async () => {
      await box.kill();
      await served[Symbol.asyncDispose]();
    });

    test('a command runs in the foreground', async () => {
      const seen: string[] = [];
      const result = await box.commands.run('echo out; echo err >&2; id -un; pwd', {
        onStdout: (text) => void seen.push(`1 ${text}`),
        onStderr: (text) => void seen.push(`2 ${text}`),
      });
      assert.equal(result.exitCode, 0);
      assert.equal(result.stdout, 'out\nuser\n/home/user\n');
      assert.equal(result.stderr, 'err\n');
      assert.ok(seen.some((text) => text.startsWith('1 out')) && seen.includes('2 err\n'));
    });

    test('output is told as it comes, and whole', async () => {
      const times: number[] = [];
      const result = await box.commands.run('for i in 1 2 3; do echo $i; sleep 0.3; done', {
        onStdout: () => void times.push(performance.now()),
      });
      assert.equal(result.stdout, '1\n2\n3\n');
      assert.ok((times.at(-1) ?? 0) - (times[0] ?? 0) > 400, 'it came all at once');
      const large = await box.commands.run('head -c 3000000 /dev/zero | tr "\\0" x');
      assert.equal(large.stdout.length, 3_000_000);
    });

    test('environment: of the sandbox, then of the call', async () => {
      const result = await box.commands.run('echo "$GIVEN/$BOTH/$E2B_SANDBOX/$E2B_SANDBOX_ID/$E2B_TEMPLATE_ID/$HOME"', {
        envs: { BOTH: 'call' },
      });
      assert.equal(result.stdout, `at create/call/true/${box.sandboxId}/base/home/user\n`.replace('base/', 'base//'));
    });

    test('users and working directories', async () => {
      assert.equal((await box.commands.run('id -un; pwd', { user: 'root', cwd: '/etc' })).stdout, 'root\n/etc\n');
      assert.equal((await box.commands.run('pwd', { user: 'root' })).stdout, '/root\n');
      assert.equal((await box.commands.run('sudo -n id -un')).stdout, 'root\n');
      await assert.rejects(box.commands.run('true', { user: 'nobody-such' }), /invalid username: 'nobody-such'/);
      await assert.rejects(box.commands.run('true', { cwd: '/not/there' }), e2b.InvalidArgumentError);
    });

    test('a failure has its exit code and output', async () => {
      await assert.rejects(box.commands.run('echo no >&2; exit 3'), (error) => {
        assert.ok(error instanceof e2b.CommandExitError);
        assert.deepEqual([error.exitCode, error.stderr], [3, 'no\n']);
        return true;
      });
    });

    test('in the background, with input, to its end', async () => {
      const handle = await box.commands.run('cat; echo done', { background: true, stdin: true });
      assert.ok((await box.commands.list()).some(({ pid, cmd }) => pid === handle.pid && cmd === '/bin/bash'));
      await box.commands.sendStdin(handle.pid, 'first\n');
      await box.commands.sendStdin(handle.pid, 'second\n');
      await box.commands.closeStdin(handle.pid);
      assert.equal((await handle.wait()).stdout, 'first\nsecond\ndone\n');
    });

    test('killed', async () => {
      const handle = await box.commands.run('sleep 100', { background: true });
      assert.equal(await handle.kill(), true);
      await assert.rejects(handle.wait(), (error) => {
        assert.ok(error instanceof e2b.CommandExitError);
        assert.deepEqual([error.exitCode, error.error], [-1, 'signal: killed']);
        return true;
      });
      assert.equal(await box.commands.kill(999_999), false);
    });

    test('a time limit ends the command, not just the call', async () => {
      await assert.rejects(
        box.commands.run('echo $$ > /tmp/limited; exec sleep 50', { timeoutMs: 1500 }),
        e2b.TimeoutError,
      );
      await eventually('it has ended', async () => {
        const alive = await box.commands.run('kill -0 $(cat /tmp/limited) 2>/dev/null && echo alive || echo gone');
        return alive.stdout === 'gone\n';
      });
    });

    test('a client that goes away leaves it running; another connects', async () => {
      const first = await box.commands.run('for i in $(seq 1 30); do echo tick; sleep 0.2; done; echo last', {
        background: true,
      });
      await first.disconnect();
      const second = await box.commands.connect(first.pid);
      const result = await second.wait();
      assert.match(result.stdout, /tick\n.*last\n$/s);
      // Its end can still be read for a while.
      assert.equal((await (await box.commands.connect(first.pid)).wait()).exitCode, 0);
    });

    test('input through a connection made later', async () => {
      const first = await box.commands.run('read line; echo "got $line"', { background: true, stdin: true });
      await first.disconnect();
      const second = await box.commands.connect(first.pid);
      await box.commands.sendStdin(first.pid, 'late\n');
      assert.equal((await second.wait()).stdout, 'got late\n');
    });

    test('a terminal', async () => {
      let text = '';
      const pty = await box.pty.create({
        cols: 90,
        rows: 20,
        timeoutMs: 0,
        onData: (bytes) => void (text += Buffer.from(bytes).toString()),
      });
      await box.pty.sendInput(pty.pid, Buffer.from('stty size; echo $TERM\n'));
      await eventually('its size', () => /20 90[\s\S]*xterm-256color/.test(text));
      await box.pty.resize(pty.pid, { cols: 120, rows: 40 });
      await box.pty.sendInput(pty.pid, Buffer.from('stty size\n'));
      await eventually('its new size', () => text.includes('40 120'));
      await box.pty.sendInput(pty.pid, Buffer.from('exit\n'));
      assert.equal((await pty.wait()).exitCode, 0);
      const other = await box.pty.create({ cols: 80, rows: 24, onData: () => undefined });
      assert.equal(await box.pty.kill(other.pid), true);
      await assert.rejects(other.wait(), e2b.CommandExitError);
    });

    test('git', async () => {
      const { git } = box;
      await git.init('/home/user/origin', { initialBranch: 'main' });
      await git.configureUser('A Name', 'a@example.org');
      await box.files.write('/home/user/origin/a.txt', 'one');
      assert.equal((await git.status('/home/user/origin')).fileStatus.length, 1);
      await git.add('/home/user/origin');
      await git.commit('/home/user/origin', 'first');
      await git.createBranch('/home/user/origin', 'other');
      const branches = await git.branches('/home/user/origin');
      assert.deepEqual([branches.currentBranch, branches.branches.toSorted()], ['other', ['main', 'other']]);
      await git.clone('file:///home/user/origin', { path: '/home/user/copy' });
      assert.equal(await box.files.read('/home/user/copy/a.txt'), 'one');
      assert.equal((await git.status('/home/user/copy')).isClean, true);
    });

    test('many at once', async () => {
      const numbers = Array.from({ length: 12 }, (_, index) => index);
      const results = await Promise.all(numbers.map((number) => box.commands.run(`sleep 0.1; echo ${number}`)));
      assert.deepEqual(
        results.map(({ stdout }) => stdout),
        numbers.map((number) => `${number}\n`),
      );
    });

    test('a sandbox killed under a stream breaks it off', async () => {
      const own = await e2b.Sandbox.create({ ...served.options });
      const handle = await own.commands.run('while true; do echo x; sleep 0.1; done', {
        background: true,
        timeoutMs: 0,
      });
      const ended = handle.wait().then(
        () => 'ended',
        (error: unknown) => error,
      );
      await delay(300);
      await own.kill();
      assert.equal(await own.isRunning(), false);
      const how = await Promise.race([ended, delay(5000, 'never')]);
      assert.ok(how instanceof Error && !(how instanceof e2b.CommandExitError), String(how));
    });
  });
}
