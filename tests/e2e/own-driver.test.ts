import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEngine, isAlive, layoutAt, openSqliteStore, type CreateDriver, type Layout } from '@novasandbox/engine';
import { isNovaError, ownHypervisors, type ErrorCode } from '@novasandbox/protocol';
import niceProcessDriver from '../../examples/drivers/nice-process.ts';
import { sh } from '../support/engine.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { cliUnderTest } from '../support/nova-cli.ts';
import { program, pythonOfSdk, sdkFolder } from '../support/python.ts';
import { serverUnderTest } from '../support/server.ts';
import { tenant } from '../support/tenants.ts';
import { testHome } from '../support/test-home.ts';

/** A driver that is not part of the package, used through all layers: examples/drivers/nice-process.ts. */
const hypervisor = 'nice-process';
const module = join(import.meta.dirname, '../../examples/drivers/nice-process.ts');
const env = { NOVA_DRIVERS: module };
const drivers: readonly CreateDriver[] = [niceProcessDriver];
const own = Number((await program(['nice'])).stdout);
const nice = `${Math.min(own + 10, 19)}\n`;

const is =
  (code: ErrorCode, message: RegExp) =>
  (error: unknown): boolean =>
    isNovaError(error, code) && message.test(`${error.message} ${error.hint}`);

/** Whether the process of a sandbox runs, as its record names it. */
function runs(layout: Layout, id: string): boolean {
  using store = openSqliteStore(layout.storeFile, layout.reserveFile);
  const machine = store.findSandbox(id)?.machine ?? null;
  assert.equal(machine?.driver, hypervisor);
  return machine !== null && isAlive(machine);
}

test('an engine works with a driver that it was given as with its own', async () => {
  await using home = await testHome();
  await using engine = await createEngine({ home: home.home, drivers });
  assert.deepEqual([...engine.drivers.keys()], [...ownHypervisors, hypervisor]);
  const report = (await engine.hypervisors()).at(-1);
  assert.deepEqual([report?.name, report?.probe.available, report?.features.pause], [hypervisor, true, false]);

  const box = await engine.sandboxes.create({ hypervisor });
  assert.equal(box.hypervisor, hypervisor);
  assert.equal((await sh(engine, box.id, 'nice')).stdout, nice);
  await assert.rejects(engine.sandboxes.pause(box.id), is('feature_unsupported', /nice-process cannot pause: .*qemu/));
  const unknown = /no hypervisor "none-such" here; there are auto, firecracker, .*, nice-process/;
  await assert.rejects(engine.sandboxes.create({ hypervisor: 'none-such' }), is('invalid_argument', unknown));
  await assert.rejects(
    engine.sandboxes.create({ hypervisor, hyperv: true }),
    is('feature_unsupported', /nice-process cannot offer Hyper-V/),
  );

  await engine.sandboxes.stop(box.id);
  assert.equal((await engine.sandboxes.start(box.id)).hypervisor, hypervisor);
  await engine.sandboxes.remove(box.id, { force: true });
  await assertNoLeaks(home.layout);
});

test('a sandbox is found again by an engine with its driver; one without can tell of it, and neither reaches nor loses it', async () => {
  await using home = await testHome();
  const { id } = await (async () => {
    await using maker = await createEngine({ home: home.home, drivers });
    return await maker.sandboxes.create({ hypervisor });
  })();
  {
    await using without = await createEngine({ home: home.home, recover: true });
    const [listed] = await without.sandboxes.list();
    assert.deepEqual([listed?.id, listed?.hypervisor, listed?.state], [id, hypervisor, 'running']);
    const missing = is('hypervisor_unavailable', /nice-process, whose driver is not here\. .*NOVA_DRIVERS/);
    await assert.rejects(sh(without, id, 'true'), missing);
    await assert.rejects(without.sandboxes.stop(id), missing);
    await assert.rejects(without.sandboxes.stop(id, { force: true }), missing);
    await assert.rejects(without.sandboxes.remove(id, { force: true }), missing);
    assert.ok(runs(home.layout, id));
  }
  await using again = await createEngine({ home: home.home, drivers });
  assert.equal((await sh(again, id, 'nice')).stdout, nice);
  await again.sandboxes.stop(id);
  {
    await using without = await createEngine({ home: home.home });
    const missing = is('hypervisor_unavailable', /nice-process/);
    await assert.rejects(without.sandboxes.start(id), missing);
    assert.equal((await without.sandboxes.get(id)).state, 'stopped');
    // Its space on the disk can be freed without its driver.
    await without.sandboxes.remove(id);
  }
  assert.deepEqual(await again.sandboxes.list({ all: true }), []);
  await assertNoLeaks(home.layout);
});

test('NOVA_DRIVERS gives it to the command line', async () => {
  await using cli = await cliUnderTest();
  const words = ['run', '--quiet', '--hypervisor', hypervisor, '--', 'nice'];
  const ran = await cli.nova(words, { env });
  assert.deepEqual([ran.code, ran.stdout], [0, nice], ran.stderr);
  const without = await cli.nova(words);
  assert.equal(without.code, 2);
  assert.match(without.stderr, /--hypervisor: there is no hypervisor "nice-process" here; there are auto, firecracker/);
  const broken = await cli.nova(words, { env: { NOVA_DRIVERS: '/nonexistent/driver.js' } });
  assert.match(broken.stderr, /NOVA_DRIVERS: the driver \/nonexistent\/driver\.js cannot be loaded/);
  assert.notEqual(broken.code, 0);
});

test('NOVA_DRIVERS gives it to a daemon and all its clients', async () => {
  await using server = await serverUnderTest(env);
  const { id, hypervisor: of } = await server.vm({ hypervisor });
  assert.equal(of, hypervisor);
  const { stdout } = await server.ok('POST', `/vms/${id}/execute`, { command: 'nice' });
  assert.equal(stdout, nice);
  await server.ok('DELETE', `/vms/${id}?force=true`);
  const names = (await server.ok('GET', '/system/info')).hypervisors.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, [...ownHypervisors, hypervisor]);
  for (const path of ['/vms', '/vms/validate']) {
    const { status, body } = await server.call('POST', path, { body: { hypervisor: 'none-such' } });
    assert.deepEqual([status, body.error.code], [422, 'invalid_argument'], path);
    assert.match(body.error.message, /there are auto, firecracker, .*, nice-process/);
  }
  // It isolates nothing, so not every user may request it.
  const { key } = await tenant(server, { role: 'user' });
  const asked = await server.call('POST', '/vms', { body: { hypervisor }, key });
  assert.equal(asked.status, 403);

  const script = `from novasandbox import Sandbox
with Sandbox.create(hypervisor="${hypervisor}") as sandbox:
    print(sandbox.commands.run("nice").stdout, end="")`;
  const python = await program(
    [await pythonOfSdk(), '-c', script],
    { NOVA_API_URL: server.url, NOVA_API_KEY: server.key, PYTHONPATH: join(sdkFolder, 'src') },
    layoutAt().home,
  );
  assert.deepEqual([python.code, python.stdout], [0, nice], python.stderr);
});
