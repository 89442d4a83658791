import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEngine, processesNaming } from '@novasandbox/engine';
import type { PoolStatus } from '@novasandbox/protocol';
import { DatabaseSync } from 'node:sqlite';
import { eventually } from '../support/eventually.ts';
import { isThere } from '../support/is-there.ts';
import { assertNoLeaks, findLeaks } from '../support/leaks.ts';
import { cliUnderTest, type Cli } from '../support/nova-cli.ts';
import { readyClones } from '../support/pool.ts';
import type { TestHome } from '../support/test-home.ts';

const statusOf = (cli: Cli) => async () => JSON.parse(await cli.ok('pool', '--json')) as PoolStatus;

async function built(): Promise<Cli> {
  const cli = await cliUnderTest();
  await using builder = await createEngine({ home: cli.home.home });
  await builder.templates.build('base');
  return cli;
}

/** The process that holds the only clone. */
function holderOf({ layout }: TestHome): number {
  using store = new DatabaseSync(layout.storeFile, { readOnly: true });
  const [row] = store.prepare("SELECT json_extract(record, '$.maker.pid') AS pid FROM sandboxes").all();
  return Number(row?.['pid']);
}

test('a command leaves a clone for the next one, which gets it and leaves another; drained, nothing is left', async () => {
  await using cli = await built();
  const { home, nova, ok } = cli;
  const env = { NOVA_KEEP_WARM: '5m' };
  assert.equal((await nova(['run', '-q', '--', 'true'], { env })).code, 0);
  const status = statusOf(cli);
  const [clone] = await readyClones(status);
  assert.ok(Date.parse(clone?.expiresAt ?? '') > Date.now(), JSON.stringify(clone));
  assert.deepEqual(JSON.parse(await ok('ls', '--all', '--json')), []);

  const holder = holderOf(home);
  const ran = await nova(['run', '-q', '--', 'printenv', 'NOVA_SANDBOX_ID'], { env });
  assert.equal(ran.stdout.trim(), clone?.id);
  await eventually('the holder of the clone that was taken has ended', () => !isThere(holder));
  const [next] = await readyClones(status);
  assert.notEqual(next?.id, clone?.id);
  assert.match(await ok('pool'), new RegExp(`${next?.id}.*ready`));
  assert.equal(await ok('pool', 'drain'), '1');
  await assertNoLeaks(home.layout);
});

test('a clone that nobody takes ends with its time, although no process of ours runs', async () => {
  await using cli = await built();
  const { home, nova } = cli;
  assert.equal((await nova(['run', '-q', '--', 'true'], { env: { NOVA_KEEP_WARM: '12s' } })).code, 0);
  await eventually('there is a clone', async () =>
    (await findLeaks(home.layout)).some((leak) => leak.includes('qemu')),
  );
  await eventually('its time is over', async () => (await findLeaks(home.layout)).length === 0, 120_000);
});

test('a clone whose holder was killed is ended by the next command', async () => {
  await using cli = await built();
  const { home, nova, ok } = cli;
  assert.equal((await nova(['run', '-q', '--', 'true'], { env: { NOVA_KEEP_WARM: '5m' } })).code, 0);
  const [clone] = await readyClones(statusOf(cli));
  process.kill(-holderOf(home), 'SIGKILL');
  await ok('ls');
  await eventually('its VMM has ended', () => processesNaming(home.layout.sockets(clone?.id ?? '')).length === 0);
  await assertNoLeaks(home.layout);
});

test('a command leaves nothing unless it is told to, and refuses a time that it does not understand', async () => {
  await using cli = await built();
  const { home, nova, ok } = cli;
  await ok('run', '-q', '--', 'true');
  await assertNoLeaks(home.layout);
  for (const time of ['soon', '2h']) {
    const refused = await nova(['run', '-q', '--', 'true'], { env: { NOVA_KEEP_WARM: time } });
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /NOVA_KEEP_WARM/);
  }
});
