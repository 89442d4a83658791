import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Sandbox } from 'novasandbox';
import { finished, novaCommand, until } from '../support/nova-cli.ts';
import { pythonOfSdk, sdkFolder } from '../support/python.ts';
import { testHome, type TestHome } from '../support/test-home.ts';
import { assertNoLeaks } from '../support/leaks.ts';

/** Long enough for a command of a second on a busy machine. */
const drainSeconds = 4;
const lines = 300_000;
/** Far more than guest, daemon and connections can buffer, written as fast as it is read. */
const writer = `import sys
for i in range(${lines}):
    sys.stdout.write('%015d\\n' % i)`;
const wholeOutput = createHash('sha256');
for (let line = 0; line < lines; line += 1) wholeOutput.update(`${String(line).padStart(15, '0')}\n`);
const expected = wholeOutput.digest('hex');

/** A daemon that has the same address each time it is started. */
async function serve(home: TestHome, port: string, log: string) {
  const child = spawn('/bin/sh', ['-c', 'exec "$@" 2>>"$0"', log, ...novaCommand, 'serve', '--port', port], {
    env: { ...home.env, NOVA_API_KEY: '', NOVA_API_URL: '', NOVA_SERVER_DRAIN_SECONDS: String(drainSeconds) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  const said = await until(child.stdout, '(key in ');
  return {
    url: /listens on (\S+)/.exec(said)?.[1] ?? '',
    ended: closed.then(([code]) => code as number | null),
    kill: (signal: NodeJS.Signals) => child.kill(signal),
  };
}

test('a daemon that restarts loses no byte of those who stream through it', { timeout: 600_000 }, async (t) => {
  await using home = await testHome();
  const folder = mkdtempSync(join(tmpdir(), 'nova-restart-'));
  const log = join(folder, 'log');
  let daemon = await serve(home, '0', log);
  const { port } = new URL(daemon.url);
  const apiKey = readFileSync(home.layout.daemon.keyFile, 'utf8').trim();
  const restart = async (): Promise<void> => {
    daemon.kill('SIGTERM');
    assert.equal(await daemon.ended, 0);
    daemon = await serve(home, port, log);
  };
  try {
    const box = await Sandbox.create({ apiUrl: daemon.url, apiKey, enableNetwork: false, timeoutMs: 0 });

    /** A command, and when it has begun. */
    const running = (command: string, stdin?: AsyncIterable<string>) => {
      const { promise: started, resolve } = Promise.withResolvers<void>();
      return { slow: box.commands.run(command, { stdin, onStdout: () => resolve() }), started };
    };

    await t.test('new work is refused with a time to come back, while commands run on to their end', async () => {
      const { slow, started } = running('echo started; sleep 1; echo done');
      await started;
      daemon.kill('SIGTERM');
      const headers = { 'x-api-key': apiKey, 'content-type': 'application/json' };
      const body = JSON.stringify({ command: 'true' });
      let refused: Response | undefined;
      while (refused?.status !== 503) {
        refused = await fetch(`${daemon.url}/api/v1/vms/${box.id}/execute`, { method: 'POST', headers, body });
      }
      assert.ok(Number(refused.headers.get('retry-after')) > 0);
      const { error } = (await refused.json()) as { readonly error: { readonly code: string } };
      assert.equal(error.code, 'shutting_down');
      assert.equal((await fetch(`${daemon.url}/health`)).status, 200);
      assert.equal((await slow).stdout, 'started\ndone\n');
      assert.equal(await daemon.ended, 0);
      daemon = await serve(home, port, log);
    });

    await t.test('an SDK client reads on where it was, and writes on', async () => {
      const command = await box.commands.run(['python3', '-c', writer], { background: true });
      const echo = await box.commands.run('cat', { background: true, stdin: true });
      const seen = createHash('sha256');
      let restarted: Promise<void> | undefined;
      let bytes = 0;
      for await (const piece of command) {
        seen.update(piece.bytes);
        bytes += piece.bytes.length;
        if (bytes > 500_000) restarted ??= restart();
        // Slower than the command writes, so that the output fills every buffer on the way.
        if (restarted === undefined || bytes < 3_000_000) await delay(5);
      }
      assert.equal((await command.wait()).exitCode, 0);
      assert.deepEqual([bytes, seen.digest('hex')], [lines * 16, expected]);
      await restarted;
      await echo.sendStdin('still here\n');
      await echo.closeStdin();
      assert.equal((await echo.wait()).stdout, 'still here\n');
    });

    await t.test('a command that says nothing is not ended by restarts', async () => {
      const { slow: quiet, started } = running('echo started; read line; echo "got $line"', slowInput());
      await started;
      await restart();
      await restart();
      proceed();
      assert.equal((await quiet).stdout, 'started\ngot it\n');
    });

    await t.test('a Python client reads on where it was', async () => {
      const script = `
import hashlib, os, sys
from novasandbox import Sandbox
box = Sandbox.connect(os.environ["BOX"])
digest, count = hashlib.sha256(), 0
def take(text):
    global count
    digest.update(text.encode()); count += len(text)
    if count == len(text):
        print("streaming", flush=True)
        # Until the daemon has restarted: all that the command writes meanwhile is under way.
        sys.stdin.readline()
box.commands.run(["python3", "-c", os.environ["WRITER"]], on_stdout=take)
print(count, digest.hexdigest())`;
      const child = spawn(await pythonOfSdk(), ['-c', script], {
        env: {
          ...process.env,
          PYTHONPATH: join(sdkFolder, 'src'),
          BOX: box.id,
          WRITER: writer,
          NOVA_API_URL: daemon.url,
          NOVA_API_KEY: apiKey,
        },
      });
      await until(child.stdout, 'streaming');
      await restart();
      child.stdin.end('go\n');
      const { stdout, stderr } = await finished(child);
      assert.equal(stdout.trim().split('\n').at(-1), `${lines * 16} ${expected}`, stderr);
    });

    await box.kill();
    const said = readFileSync(log, 'utf8');
    assert.doesNotMatch(said, /guest_unreachable/);
  } finally {
    daemon.kill('SIGTERM');
    await daemon.ended;
    rmSync(folder, { recursive: true });
  }
  await assertNoLeaks(home.layout);
});

let proceed: () => void = () => undefined;

async function* slowInput(): AsyncGenerator<string> {
  await new Promise<void>((resolve) => (proceed = resolve));
  yield 'it\n';
}
