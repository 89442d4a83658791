import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEngine, processesNaming } from '@novasandbox/engine';
import { eventually } from '../support/eventually.ts';
import { assertNoLeaks, findLeaks } from '../support/leaks.ts';
import { testHome, type TestHome } from '../support/test-home.ts';

/** A process that works with an engine of its own, until it is killed. */
function maker({ env }: TestHome, work: string): ChildProcess {
  const script = `
    const { createEngine } = await import('@novasandbox/engine');
    const engine = await createEngine();
    await ${work};`;
  return spawn(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script], {
    env,
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('what is left of a snapshot whose maker was killed is cleared up by whoever starts next', async () => {
  await using home = await testHome({ own: ['snapshots', 'work'] });
  const { layout } = home;
  const child = maker(home, "engine.sandboxes.create({ templateId: 'linux-default' })");
  await eventually(
    'a guest boots for the snapshot',
    async () =>
      (await readdir(layout.run)).some((id) => id.startsWith('snap') && processesNaming(layout.sockets(id)).length > 0),
    60_000,
  );
  await kill(child);
  assert.ok((await findLeaks(layout)).some((leak) => leak.startsWith('process')));
  {
    await using engine = await createEngine({ home: home.home });
    await assertNoLeaks(layout);
    assert.deepEqual(await readdir(layout.making), []);
    assert.deepEqual(await engine.sandboxes.list({ all: true }), []);
  }
});

test('so is a probe', async () => {
  await using home = await testHome({ own: ['probes'] });
  const { layout } = home;
  const notes = join(layout.probeDirectory, 'making');
  const child = maker(home, 'engine.hypervisors()');
  const probes = async (): Promise<string[]> =>
    (await readdir(notes).catch(() => [])).filter((name) => name.endsWith('.json'));
  await eventually('a probe is under way', async () => (await probes()).length > 0, 60_000);
  await kill(child);
  assert.ok((await probes()).length > 0);
  {
    await using _engine = await createEngine({ home: home.home });
    assert.deepEqual(await probes(), []);
    assert.deepEqual(
      (await readdir(layout.probeDirectory)).filter((name) => name.startsWith('boot')),
      [],
    );
  }
  await assertNoLeaks(layout);
});
