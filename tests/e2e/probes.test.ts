import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEngine, processesNaming, type Layout } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import { eventually } from '../support/eventually.ts';
import { testHome, type TestHome } from '../support/test-home.ts';

/** Folders without a verdict, so the first engine has to probe. */
const unproved = (): Promise<TestHome> => testHome({ own: ['probes'] });

const probesOf = async ({ probeDirectory }: Layout): Promise<string[]> =>
  (await readdir(join(probeDirectory, 'making')).catch(() => []))
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -5));
const vmmsOf = (id: string): number => processesNaming(`/tmp/nova-${id}`).length;
const cgroupsOf = (id: string): string[] =>
  ['', 'memory', 'cpu', 'pids'].map((root) => join('/sys/fs/cgroup', root, 'novasandbox', id)).filter(existsSync);

function assertGone(id: string): void {
  assert.equal(vmmsOf(id), 0);
  assert.deepEqual(cgroupsOf(id), []);
  assert.equal(existsSync(`/tmp/nova-${id}`), false);
}

/** The id of a probe whose guest runs: its VMM has been started, and has written the kernel's first lines. */
async function running(layout: Layout): Promise<string> {
  let id: string | undefined;
  await eventually(
    'a probed guest runs',
    async () => {
      const probes = await probesOf(layout);
      const sizes = await Promise.all(
        probes.map((each) =>
          stat(join(layout.probeDirectory, each, 'console.log')).then(
            ({ blocks }) => blocks,
            () => 0,
          ),
        ),
      );
      id = probes[sizes.findIndex((blocks) => blocks > 0)];
      return id !== undefined;
    },
    60_000,
  );
  assert.ok(id !== undefined);
  return id;
}

test('a process that is killed while it probes leaves a VM that the next engine removes', async () => {
  await using home = await unproved();
  const script = `
    const { createEngine } = await import('@novasandbox/engine');
    await (await createEngine()).hypervisors();`;
  const options = ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script];
  const maker = spawn(process.execPath, options, { env: home.env, cwd: join(import.meta.dirname, '../..') });
  const ended = once(maker, 'exit');
  let id: string;
  for (;;) {
    id = await running(home.layout);
    // The maker ends the VM when it has seen enough, which may be now.
    maker.kill('SIGSTOP');
    await eventually('the maker stands still', () =>
      /^State:\tT/m.test(readFileSync(`/proc/${maker.pid}/status`, 'utf8')),
    );
    if (vmmsOf(id) > 0) break;
    maker.kill('SIGCONT');
  }
  maker.kill('SIGKILL');
  await ended;
  assert.notEqual(vmmsOf(id), 0);
  await using _engine = await createEngine({ home: home.home });
  assertGone(id);
  assert.deepEqual(await probesOf(home.layout), []);
});

test('an engine that is closed while it probes leaves nothing', async () => {
  await using home = await unproved();
  const engine = await createEngine({ home: home.home });
  const probing = engine.hypervisors();
  probing.catch(() => undefined);
  const id = await running(home.layout);
  await engine.close();
  assertGone(id);
  await assert.rejects(probing, (error) => isNovaError(error, 'cancelled'));
});

test('state folders that probe at once find what one alone finds', async () => {
  const homes = await Promise.all([unproved(), unproved(), unproved()]);
  await using undo = new AsyncDisposableStack();
  for (const home of homes) undo.use(home);
  const engines = [];
  // Two engines share one folder, too.
  for (const { home } of [...homes, homes[0]]) engines.push(undo.use(await createEngine({ home })));
  const impatient = new AbortController();
  const given = engines[0]?.hypervisors({ signal: impatient.signal });
  const found = Promise.all(engines.map((engine) => engine.hypervisors()));
  await running(homes[0].layout);
  impatient.abort();
  await assert.rejects(
    async () => given,
    (error) => isNovaError(error, 'cancelled'),
  );
  const [first, ...others] = (await found).map((reports) => reports.map(({ name, probe }) => ({ name, probe })));
  assert.ok(first?.some(({ name, probe }) => name === 'qemu' && probe.available));
  for (const other of others) assert.deepEqual(other, first);
});
