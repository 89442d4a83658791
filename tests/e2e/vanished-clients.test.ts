import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Sandbox } from 'novasandbox';
import { daemonUnderTest, type DaemonUnderTest } from '../support/daemon.ts';
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
  const { stdout } = await box.commands.run(
    `for each in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$each 2>/dev/null; echo; done`,
  );
  return stdout.split('\n').some((line) => line.includes(mark) && !line.includes('/proc/'));
}

async function ended(mark: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; await runs(mark);) {
    assert.ok(Date.now() < deadline, `${mark} runs on`);
    await delay(250);
  }
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

  test(`a command ends a little after a client that was killed: ${way}`, { timeout: 300_000 }, async () => {
    const child = start(way, ['exec', box.id, '--', 'sh', '-c', 'echo up; while :; do sleep 1; done; : mark-killed']);
    await until(child.stdout, 'up');
    const detached = start(way, ['exec', '-d', box.id, '--', 'sh', '-c', 'while :; do sleep 1; done; : mark-detached']);
    await once(detached, 'close');
    child.kill('SIGKILL');
    await ended('mark-killed');
    assert.equal(await runs('mark-detached'), true);
    await box.commands.run(['pkill', '-f', 'mark-detached'], { user: 'root' });
  });

  test(`a terminal whose input is no terminal ends with it: ${way}`, { timeout: 300_000 }, async () => {
    for (const input of ['', 'abc', 'abc\n']) {
      const { code, stdout } = await nova(way, ['exec', '-it', box.id, '--', 'sh', '-c', 'cat; exit 7'], input);
      // One that leads the session of its terminal, and closes it before it ends.
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

test(
  'an SDK client that vanishes takes its commands along, unless it let go of them',
  { timeout: 300_000 },
  async () => {
    const script = `
    import { Sandbox } from 'novasandbox';
    const box = await Sandbox.connect(process.argv[1]);
    const loop = (mark) => box.commands.run('while :; do sleep 1; done; : ' + mark, { background: true });
    await (await loop('mark-let-go')).disconnect();
    await loop('mark-held');
    console.log('up');
    setInterval(() => undefined, 1000);`;
    for (const way of ways) {
      const env = { ...daemon.home.env, NOVA_EMBEDDED: way === 'embedded' ? '1' : '' };
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, box.id], {
        env,
        cwd: import.meta.dirname,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await until(child.stdout, 'up');
      child.kill('SIGKILL');
      await ended('mark-held');
      assert.equal(await runs('mark-let-go'), true, way);
      await box.commands.run(['pkill', '-f', 'mark-let-go'], { user: 'root' });
    }
  },
);

test('a client of the REST API that vanishes takes its command along, unless it said keep_running', async () => {
  const headers = { 'x-api-key': daemon.apiKey, 'content-type': 'application/json' };
  for (const operation of ['execute/stream', 'execute']) {
    const gone = new AbortController();
    for (const [mark, keep] of [
      ['mark-rest', false],
      ['mark-kept', true],
    ] as const) {
      const body = JSON.stringify({ command: `while :; do sleep 1; done; : ${mark}`, keep_running: keep });
      const url = `${daemon.url}/api/v1/vms/${box.id}/${operation}`;
      const call = fetch(url, { method: 'POST', headers, body, signal: gone.signal });
      call.catch(() => undefined);
    }
    while (!(await runs('mark-rest')) || !(await runs('mark-kept'))) await delay(100);
    gone.abort();
    await ended('mark-rest');
    assert.equal(await runs('mark-kept'), true, operation);
    await box.commands.run(['pkill', '-f', 'mark-kept'], { user: 'root' });
  }
});
