import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { isNovaError, QemuHypervisor, Sandbox, SandboxConfig, TemplateManager } from 'novasandbox';
import { halfTemplate } from '../support/half-template.ts';
import { eventually } from '../support/eventually.ts';
import { finished } from '../support/nova-cli.ts';
import { sdkUnderTest } from '../support/sdk.ts';

test('create, connect, list, kill; disposing what create made removes it', async () => {
  await using sdk = await sdkUnderTest();
  const { home } = sdk.home;
  {
    await using sandbox = await sdk.create({ name: 'box', labels: { a: 'b' }, memoryMb: 256 });
    assert.equal(sandbox.id, sandbox.sandboxId);
    assert.equal(sandbox.name, 'box');
    assert.equal(sandbox.state, 'running');
    assert.equal(sandbox.config.memoryMb, 256);
    assert.ok((sandbox.metadata.bootTimeMs ?? 0) > 0);
    {
      await using guest = await Sandbox.connect('box', { home });
      assert.equal(guest.id, sandbox.id);
      await guest.commands.run('touch /tmp/was-here');
    }
    await sandbox.commands.run('test -e /tmp/was-here');
    assert.deepEqual(
      (await Sandbox.list({ home, labels: { a: 'b' } })).map(({ id }) => id),
      [sandbox.id],
    );
    assert.deepEqual(await Sandbox.list({ home, labels: { a: 'c' } }), []);
  }
  assert.deepEqual(await Sandbox.list({ home, all: true }), []);
  assert.equal(await Sandbox.kill('box', { home }), false);
  await assert.rejects(Sandbox.connect('box', { home }), { code: 'sandbox_not_found' });
});

test('pause, resume, stop and start tell whether they changed anything, and the handle knows the state', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  await sandbox.commands.run('echo kept > ~/file');
  assert.equal(await sandbox.pause(), true);
  assert.equal(await sandbox.pause(), false);
  assert.equal(sandbox.state, 'paused');
  await assert.rejects(sandbox.commands.run('true'), { code: 'sandbox_not_running' });
  assert.equal(await sandbox.resume(), true);
  const stats = await sandbox.getStats();
  assert.ok(stats.memoryUsageMb > 0 && stats.cpuUsageUs > 0 && stats.host.rssMb > 0);
  assert.equal(sandbox.isRunning(), true);
  assert.ok(sandbox.getUptimeMs() > 0);
  assert.equal(await sandbox.stop(), true);
  assert.equal(await sandbox.stop({ force: true }), false);
  assert.equal(sandbox.isRunning(), false);
  assert.equal(await sandbox.start(), true);
  assert.equal(await sandbox.executeCommand('cat ~/file'), 'kept\n');
});

test('a guest that ends itself is noticed', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  await sandbox.setTimeout(1000);
  const deadline = Date.now() + 15_000;
  while (sandbox.isRunning()) {
    assert.ok(Date.now() < deadline, 'the handle still says it runs');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test('ten at once all work', async () => {
  await using sdk = await sdkUnderTest();
  const sandboxes = await Promise.all(Array.from({ length: 10 }, (_, index) => sdk.create({ name: `box-${index}` })));
  const answers = await Promise.all(sandboxes.map(({ name, commands }) => commands.run(['echo', name ?? ''])));
  assert.deepEqual(
    answers.map(({ stdout }) => stdout.trim()),
    sandboxes.map(({ name }) => name),
  );
  const ids = await Promise.all(sandboxes.map((each) => each.executeCommand('cat /etc/machine-id')));
  assert.equal(new Set(ids).size, 10);
  await Promise.all(sandboxes.map((each) => each.kill()));
});

test('an abort while creating leaves nothing', async () => {
  await using sdk = await sdkUnderTest();
  for (const delayMs of [0, 5, 20, 40, 60, 80, 100, 130]) {
    const signal = AbortSignal.timeout(delayMs);
    // A host may be faster than that.
    const outcome = await sdk.create({ signal }).catch((error: unknown) => error);
    if (outcome instanceof Sandbox) await outcome.kill();
    else assert.ok(isNovaError(outcome, 'cancelled'), String(outcome));
    assert.deepEqual(await Sandbox.list({ home: sdk.home.home, all: true }), []);
  }
});

test('a tunnel reaches a server on the loopback of the guest, of either IP', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  const ask = async (port: number): Promise<string | null> => {
    try {
      const socket = await sandbox.tunnel(port);
      socket.end('GET / HTTP/1.0\r\n\r\n');
      let answer = '';
      for await (const part of socket) answer += String(part);
      return answer;
    } catch (error) {
      if (isNovaError(error, 'connection_refused')) return null;
      throw error;
    }
  };
  assert.equal(await ask(8000), null);
  for (const [port, address] of [
    [8000, '127.0.0.1'],
    [8001, '::1'],
  ] as const) {
    const serve = `python3 -m http.server --bind ${address} ${port}`;
    await using _server = await sandbox.commands.run(serve, { background: true });
    let answer: string | null = null;
    await eventually(
      `the server on ${address} answers`,
      async () => {
        answer = await ask(port);
        return answer !== null;
      },
      30_000,
    );
    assert.match(answer ?? '', /^HTTP\/1.0 200 OK/);
  }
});

test('the lower level: a config, a hypervisor, templates', async () => {
  await using sdk = await sdkUnderTest();
  const connection = { home: sdk.home.home };
  await using hypervisor = new QemuHypervisor(connection);
  assert.equal((await hypervisor.probe()).probe.available, true);
  const config = new SandboxConfig({ templateId: 'base', memoryMb: 256, labels: { worker: 'task-1' } });
  const sandbox = await hypervisor.createSandbox(config);
  assert.equal(await hypervisor.pauseSandbox(sandbox.sandboxId), true);
  assert.equal(await hypervisor.resumeSandbox(sandbox.sandboxId), true);
  assert.ok((await hypervisor.getSandboxStats(sandbox.sandboxId)).memoryUsageMb > 0);
  assert.equal(await hypervisor.stopSandbox(sandbox.sandboxId), true);
  assert.equal(await hypervisor.startSandbox(sandbox.sandboxId), true);
  await sandbox.kill();
  const templates = new TemplateManager(connection);
  assert.ok((await templates.list()).some(({ id, built }) => id === 'base' && built));
  assert.equal((await templates.get('base')).id, 'base');
  await assert.rejects(templates.get('nope'), { code: 'unknown_template' });
  await assert.rejects(templates.build(await halfTemplate(sdk.home.home)), { code: 'template_build_failed' });
});

test('a process ends by itself once its handles are disposed', async () => {
  await using sdk = await sdkUnderTest();
  const program = `
    import { Sandbox } from 'novasandbox';
    {
      await using sandbox = await Sandbox.create();
      console.log((await sandbox.commands.run('echo fine')).stdout.trim());
      await using background = await sandbox.commands.run('sleep 1000', { background: true });
    }
    console.log((await Sandbox.list({ all: true })).length);
  `;
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program],
    {
      env: sdk.home.env,
      cwd: import.meta.dirname,
    },
  );
  const limit = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const closed = once(child, 'close');
  const { code, stdout, stderr } = await finished(child);
  await closed;
  clearTimeout(limit);
  assert.equal(`${stdout}${stderr}`, 'fine\n0\n');
  assert.equal(code, 0);
});
