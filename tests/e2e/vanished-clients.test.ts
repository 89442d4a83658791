import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { Sandbox } from 'novasandbox';
import { daemonUnderTest, type DaemonUnderTest } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { finished, novaCommand, until, type CliResult } from '../support/nova-cli.ts';

let daemon: DaemonUnderTest;
let box: Sandbox;

before(async () => {
  daemon = await daemonUnderTest();
  box = await Sandbox.create({ apiUrl: daemon.url, apiKey: daemon.apiKey, enableNetwork: false, timeoutMs: 0 });
});

after(async () => {
  await box.kill();
  await daemon[Symbol.asyncDispose]();
});

/** A client over the daemon, and one with an engine of its own. */
const ways = ['daemon', 'embedded'] as const;

function start(way: (typeof ways)[number], argv: readonly string[]): ChildProcess {
  const env = { ...daemon.home.env, NOVA_EMBEDDED: way === 'embedded' ? '1' : '' };
  return spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), ...argv], { env });
}

async function nova(way: (typeof ways)[number], argv: readonly string[], input: string): Promise<CliResult> {
  const child = start(way, argv);
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  return finished(child);
}

/** Whether a command with the mark among its arguments runs in the guest. */
async function runs(mark: string): Promise<boolean> {
  // One program for all of them: a program per process would keep the emulated guest busy for a second.
  const { stdout } = await box.commands.run('cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "');
  return stdout.includes(mark);
}

async function ended(mark: string): Promise<void> {
  await eventually(`${mark} ends`, async () => !(await runs(mark)));
}

for (const way of ways) {
  test(`a command whose reader has gone ends as in a shell: ${way}`, { timeout: 300_000 }, async () => {
    const commands: readonly (readonly [string, readonly string[]])[] = [
      ['yes mark-plain', ['yes', 'mark-plain']],
      ['mark-shell', ['sh', '-c', 'while :; do echo mark-shell; done']],
      ['mark-stubborn', ['sh', '-c', "trap '' PIPE TERM; while :; do echo mark-stubborn; done"]],
    ];
    for (const [mark, argv] of commands) {
      const child = start(way, ['exec', box.id, '--', ...argv]);
      await until(child.stdout, '\n');
      child.stdout?.destroy();
      assert.equal((await finished(child)).code, 141, mark);
      assert.equal(await runs(mark), false, mark);
    }
  });

  test(`a terminal whose input is no terminal ends with it: ${way}`, { timeout: 300_000 }, async () => {
    for (const input of ['', 'abc', 'abc\n']) {
      const { code, stdout } = await nova(way, ['exec', '-it', box.id, '--', 'sh', '-c', 'cat; exit 7'], input);
      // The command leads the session of its terminal, and closes it before it ends.
      assert.equal((await nova(way, ['exec', '-it', box.id, 'cat'], input)).code, 0, input);
      assert.equal(code, 7, JSON.stringify(input));
      assert.ok(stdout.includes(input.trim()));
    }
    for (const input of ['echo $((6 * 7))', 'cat\nunfinished', 'echo $((6 * 7)); exit 3\n']) {
      const { code } = await nova(way, ['shell', box.id], input);
      assert.equal(code, input.includes('exit 3') ? 3 : 0, input);
    }
    const { stdout } = await nova(way, ['shell', box.id], 'echo $((6 * 7))');
    assert.match(stdout, /42/);
  });
}

// Commands are given a while in which their client may come back. The tests wait for it side by side.
suite('clients that vanish', { concurrency: true }, () => {
  for (const way of ways) {
    test(`a command ends a little after a client that was killed: ${way}`, { timeout: 300_000 }, async () => {
      const [killed, detached] = [`mark-killed-${way}`, `mark-detached-${way}`];
      const loop = (mark: string): readonly string[] => ['sh', '-c', `echo up; while :; do sleep 1; done; : ${mark}`];
      const child = start(way, ['exec', box.id, '--', ...loop(killed)]);
      await until(child.stdout, 'up');
      await once(start(way, ['exec', '-d', box.id, '--', ...loop(detached)]), 'close');
      child.kill('SIGKILL');
      await ended(killed);
      assert.equal(await runs(detached), true);
      await box.commands.run(['pkill', '-f', detached], { user: 'root' });
    });

    test(
      `an SDK client that vanishes takes its commands along, unless it let go of them: ${way}`,
      { timeout: 300_000 },
      async () => {
        const [held, letGo] = [`mark-held-${way}`, `mark-let-go-${way}`];
        const script = `
    import { Sandbox } from 'novasandbox';
    const box = await Sandbox.connect(process.argv[1]);
    const loop = (mark) => box.commands.run('while :; do sleep 1; done; : ' + mark, { background: true });
    await (await loop('${letGo}')).disconnect();
    await loop('${held}');
    console.log('up');
    setInterval(() => undefined, 1000);`;
        const env = { ...daemon.home.env, NOVA_EMBEDDED: way === 'embedded' ? '1' : '' };
        const child = spawn(process.execPath, ['--input-type=module', '-e', script, box.id], {
          env,
          cwd: import.meta.dirname,
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        await until(child.stdout, 'up');
        child.kill('SIGKILL');
        await ended(held);
        assert.equal(await runs(letGo), true);
        await box.commands.run(['pkill', '-f', letGo], { user: 'root' });
      },
    );
  }

  for (const [index, operation] of ['execute/stream', 'execute'].entries()) {
    test(
      `a client of the REST API that vanishes takes its command along, unless it said keep_running: ${operation}`,
      { timeout: 300_000 },
      async () => {
        const headers = { 'x-api-key': daemon.apiKey, 'content-type': 'application/json' };
        const [taken, kept] = [`mark-rest-${index}`, `mark-kept-${index}`];
        const gone = new AbortController();
        for (const [mark, keep] of [
          [taken, false],
          [kept, true],
        ] as const) {
          const body = JSON.stringify({ command: `while :; do sleep 1; done; : ${mark}`, keep_running: keep });
          const url = `${daemon.url}/api/v1/vms/${box.id}/${operation}`;
          const call = fetch(url, { method: 'POST', headers, body, signal: gone.signal });
          call.catch(() => undefined);
        }
        await eventually('both run', async () => (await runs(taken)) && (await runs(kept)));
        gone.abort();
        await ended(taken);
        assert.equal(await runs(kept), true);
        await box.commands.run(['pkill', '-f', kept], { user: 'root' });
      },
    );
  }
});
