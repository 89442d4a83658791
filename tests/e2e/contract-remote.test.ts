import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { Sandbox, type ConnectionOptions } from 'novasandbox';
import { chooseBackend } from 'novasandbox/backend';
import { createRemoteEngine } from 'novasandbox/remote';
import { cliContract } from '../support/contract-cli.ts';
import { sdkContract } from '../support/contract-sdk.ts';
import { daemonUnderTest, type DaemonUnderTest } from '../support/daemon.ts';
import { finished, novaCommand } from '../support/nova-cli.ts';

interface Way {
  readonly name: string;
  sdk(daemon: DaemonUnderTest): ConnectionOptions;
  cli(daemon: DaemonUnderTest): { readonly env: NodeJS.ProcessEnv; readonly flags: readonly string[] };
}

/** The state folder cannot exist, so nothing can use it. */
const overTcp: Way['cli'] = ({ url, apiKey }) => ({
  env: { ...process.env, NOVA_HOME: '/nonexistent', NOVA_API_URL: url, NOVA_API_KEY: apiKey },
  flags: [],
});

/** A limit against hangs only: the command line is started some hundred times, beside other tests. */
const hangMs = 400_000;

/** All use one state folder: other processes work on it beside a daemon. */
const ways: readonly Way[] = [
  {
    name: 'embedded',
    sdk: ({ home }) => ({ home: home.home, embedded: true }),
    cli: ({ home }) => ({ env: home.env, flags: ['--embedded'] }),
  },
  {
    name: 'over TCP with a key',
    sdk: ({ url, apiKey }) => ({ apiUrl: url, apiKey }),
    cli: overTcp,
  },
  {
    name: "over the daemon's own socket",
    sdk: ({ home }) => ({ home: home.home }),
    cli: ({ home }) => ({ env: home.env, flags: [] }),
  },
];

suite('the same wherever sandboxes are', () => {
  let daemon: DaemonUnderTest;
  before(async () => {
    daemon = await daemonUnderTest();
    // What clients of a daemon elsewhere keep goes with the test.
    process.env['XDG_STATE_HOME'] = daemon.home.home;
  });
  after(() => daemon[Symbol.asyncDispose]());

  for (const way of ways) {
    for (const [what, check] of Object.entries(sdkContract)) {
      test(`SDK ${way.name}: ${what}`, { timeout: hangMs }, () => check(way.sdk(daemon)));
    }
    test(`CLI ${way.name}`, { timeout: hangMs }, () => {
      const { env, flags } = way.cli(daemon);
      return cliContract(env, flags);
    });
  }

  test('the backend is chosen as documented', () => {
    const { home, url } = daemon;
    assert.equal(chooseBackend({ home: home.home }).kind, 'socket');
    assert.equal(chooseBackend({ home: home.home, embedded: true }).kind, 'embedded');
    assert.equal(chooseBackend({ apiUrl: url }).kind, 'url');
    assert.throws(() => chooseBackend({ apiUrl: url, embedded: true }), { code: 'invalid_argument' });
  });

  test('docs/sdk.md: the example over a daemon prints what it says', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/sdk.md'), 'utf8');
    const code = /^```ts daemon\n([^]*?)^```$/m.exec(page)?.[1] ?? '';
    const { env } = overTcp(daemon);
    const argv = ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', code];
    const { stdout, stderr } = await finished(spawn(process.execPath, argv, { env, cwd: import.meta.dirname }));
    const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((comment) => comment[1]);
    assert.deepEqual(stdout.trim().split('\n'), promised, stderr);
  });

  test('a wrong key, host paths and a daemon that is not there have typed errors', async () => {
    const { url: apiUrl, apiKey } = daemon;
    const wrong = { apiUrl, apiKey: `nova_${'0'.repeat(40)}` };
    await assert.rejects(Sandbox.list(wrong), { code: 'unauthenticated' });
    await assert.rejects(Sandbox.create({ apiUrl, apiKey, rootfsPath: '/x' }), { code: 'feature_unsupported' });
    await assert.rejects(Sandbox.list({ apiUrl: 'http://127.0.0.1:1' }), { code: 'server_unreachable' });
  });

  test('a daemon that is killed ends what runs over it with a typed error; its socket is passed by', async () => {
    const { home, url: apiUrl, apiKey } = daemon;
    await using box = await Sandbox.create({ home: home.home, embedded: true, enableNetwork: false });
    const remote = await Sandbox.connect(box.id, { apiUrl, apiKey });
    const running = remote.commands.run('echo began; sleep 2; echo over', { background: true });
    const handle = await running;
    for await (const { text } of handle) if (text.includes('began')) break;
    await daemon.stop('SIGKILL');
    await assert.rejects(handle.wait(), { code: 'server_unreachable' });
    await assert.rejects(remote.files.stat('/'), { code: 'server_unreachable' });
    await remote.disconnect();
    // The command went on; a new session finds all its output.
    const again = await box.commands.connect(handle.pid);
    assert.equal((await again.wait()).stdout, 'began\nover\n');
    assert.equal(existsSync(home.layout.daemon.socket), true);
    const list = spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), 'ls', '-q'], { env: home.env });
    assert.equal((await finished(list)).stdout, `${box.id}\n`);
    // A restarted daemon continues where the lost one was: output from an offset, then the end.
    await using next = await daemonUnderTest(home);
    await using engine = createRemoteEngine({ url: next.url, apiKey: next.apiKey });
    const seen = Buffer.byteLength('began\n');
    const from = { stdout: seen, stderr: 0, stdin: false };
    const process = await engine.exec.attach(box.id, handle.id, from);
    assert.equal(process.stdoutOffset, seen);
    const rest: Uint8Array[] = [];
    for await (const { bytes } of process.output) rest.push(bytes);
    assert.equal(Buffer.concat(rest).toString(), 'over\n');
    assert.equal((await process.exit).exitCode, 0);
  });
});
