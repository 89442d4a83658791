import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { processesNaming } from '@novasandbox/engine';
import { nodeInLab } from '../../lab/suite.ts';
import { eventually } from '../support/eventually.ts';
import { cliUnderTest, finished, until, type Cli } from '../support/nova-cli.ts';

/** Only against hangs. */
const bootLimitMs = 120_000;

/** The folder of a lab's run, which QEMU's command line names. */
const folderOf = (cli: Cli, child: ChildProcess): string => join(cli.home.layout.workDirectory, `lab-${child.pid}`);

/** The parts of the lab are made now, so that no test's time limit has to allow for it. */
test('the lab ends with the exit code of its command, which has the checkout and no network', async () => {
  await using cli = await cliUnderTest();
  const script = 'cat package.json; ls /sys/class/net >&2; touch here; exit 7';
  const { code, stdout, stderr } = await cli.nova(['lab', '--memory', '1g', '--', 'sh', '-c', script]);
  assert.equal(code, 7, stderr);
  assert.equal(stdout, readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
  assert.match(stderr, /^lo$/m);
  assert.match(stderr, /touch: .*Read-only file system/);
  assert.doesNotMatch(stderr, /eth0/);
});

test('in the lab KVM is real: QEMU makes a snapshot on it, and clones run commands', async () => {
  await using cli = await cliUnderTest();
  const inLab = () => cli.nova(['lab', '--', ...nodeInLab, 'tests/support/kvm-clones.ts']);
  const { code, stdout, stderr } = await unlessLost(inLab);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /clones of a snapshot ran on KVM/);
});

/**
 * Under this emulation the lab has been lost, and V8 has failed a check of its own tables, which ends Node. Neither
 * says anything about the test, which is run once more.
 */
async function unlessLost(run: () => ReturnType<Cli['nova']>): ReturnType<Cli['nova']> {
  const first = await run();
  return /^# Fatal error in , line 0$|The lab is lost/m.test(first.stderr) ? run() : first;
}

test('an interrupt reaches the command in the lab; then nothing of the lab is left', async () => {
  await using cli = await cliUnderTest();
  const child = cli.start(['lab', '--memory', '1g', '--', 'sh', '-c', 'echo here; exec sleep 1000']);
  const folder = folderOf(cli, child);
  await until(child.stdout, 'here');
  const running = processesNaming(folder).length;
  child.kill('SIGINT');
  assert.deepEqual([running, (await finished(child)).code], [1, 130]);
  assert.deepEqual([processesNaming(folder), existsSync(folder), existsSync(`${folder}.lock`)], [[], false, false]);
});

for (const [signal, expected] of [
  ['SIGTERM', 143],
  ['SIGKILL', 137],
] as const) {
  test(`${signal} while the lab boots leaves no machine, and no folder once another has run`, async () => {
    await using cli = await cliUnderTest();
    const child = cli.start(['lab', '--memory', '1g', '--', 'true']);
    const folder = folderOf(cli, child);
    const end = finished(child);
    await eventually('the lab boots', () => processesNaming(folder).length === 1, bootLimitMs).finally(() =>
      child.kill(signal),
    );
    assert.equal((await end).code, expected);
    await eventually('its machine has ended', () => processesNaming(folder).length === 0);
    if (signal === 'SIGKILL') await cli.ok('lab', '--memory', '1g', '--', 'true');
    assert.ok(!existsSync(folder));
  });
}
