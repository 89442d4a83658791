import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { availableParallelism, totalmem } from 'node:os';
import { createEngine, processesNaming } from '@novasandbox/engine';
import { isNovaError, type ErrorCode, type SandboxConfigInput } from '@novasandbox/protocol';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';
import { halfTemplate } from '../support/half-template.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { testHome } from '../support/test-home.ts';

const root = process.getuid?.() === 0;

test('a bad config is refused with a code, the field and a hint, and nothing is left', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const hostMb = Math.ceil(totalmem() / 1024 / 1024);
  const mostVcpus = availableParallelism() * 4;
  const bad: (readonly [SandboxConfigInput, ErrorCode, RegExp])[] = [
    [{ templateId: 'nonesuch' }, 'unknown_template', /nonesuch/],
    [{ templateId: '../base' }, 'invalid_argument', /templateId/],
    [{ templateId: 'a/b' }, 'invalid_argument', /templateId/],
    [{ templateId: await halfTemplate(layout.home) }, 'template_build_failed', /vmlinux/],
    [{ name: '../x' }, 'invalid_argument', /name/],
    [{ name: 'a/b' }, 'invalid_argument', /name/],
    [{ name: '-x' }, 'invalid_argument', /name/],
    [{ memoryMb: 0 }, 'invalid_argument', /memoryMb/],
    [{ memoryMb: hostMb + 1 }, 'invalid_argument', /memoryMb/],
    [{ memoryMb: 1.5 }, 'invalid_argument', /memoryMb/],
    [{ vcpus: 0 }, 'invalid_argument', /vcpus/],
    [{ vcpus: 999 }, 'invalid_argument', /vcpus/],
    // Above this host's limit but not above every host's: the schema allows 64 and 16 TiB.
    ...(mostVcpus < 64 ? [[{ vcpus: 64 }, 'invalid_argument', /^vcpus: 64 is more .* this host/] as const] : []),
    [{ diskSizeMb: 16_777_216 }, 'invalid_argument', /^diskSizeMb: 16777216 MiB is more .* holds/],
    [{ diskSizeMb: 1 }, 'invalid_argument', /diskSizeMb/],
    [{ hostPort: 70_000 }, 'invalid_argument', /hostPort/],
    [{ hostPort: 8081, enableNetwork: false }, 'invalid_argument', /hostPort/],
    [{ rootfsPath: '/nonexistent/rootfs.ext4' }, 'invalid_argument', /rootfsPath/],
    [{ rootfsPath: '/etc' }, 'invalid_argument', /rootfsPath/],
    [{ extraDrives: [{ path: '/nonexistent', mountPath: '/data' }] }, 'invalid_argument', /extraDrives/],
    [{ env: { 'A=B': 'x' } }, 'invalid_argument', /env/],
    [{ kernelArgs: 'a\nb' }, 'invalid_argument', /kernelArgs/],
    [{ hypervisor: 'apple-vz' }, 'hypervisor_unavailable', /macOS/],
    [{ surprise: true } as SandboxConfigInput, 'invalid_argument', /surprise/],
  ];
  for (const [config, code, message] of bad) {
    await assert.rejects(engine.sandboxes.create(config), (error) => {
      assert.ok(isNovaError(error, code), `${JSON.stringify(config)}: ${String(error)}`);
      assert.match(error.message, message);
      assert.ok(error.hint.length > 0);
      return true;
    });
  }
  await assertNoLeaks(layout);
  assert.deepEqual(await engine.sandboxes.list({ all: true }), []);
});

test('two sandboxes cannot have one name', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using _ = await sandbox(engine, { name: 'only' });
  await assert.rejects(engine.sandboxes.create({ name: 'only' }), { code: 'sandbox_exists' });
  assert.equal((await engine.sandboxes.list({ all: true })).length, 1);
});

test('an abort at any moment of the creation leaves nothing', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  for (const afterMs of [0, 5, 20, 40, 60, 80, 100, 130, 170, 220]) {
    const controller = new AbortController();
    const creating = engine.sandboxes.create({}, { signal: controller.signal }).then(
      (info) => info,
      (error: unknown) => error,
    );
    await delay(afterMs);
    controller.abort();
    const result = await creating;
    if (result instanceof Error) assert.ok(isNovaError(result, 'cancelled'), String(result));
    else await engine.sandboxes.remove((result as { id: string }).id, { force: true });
    assert.deepEqual(await engine.sandboxes.list({ all: true }), []);
    await assertNoLeaks(layout);
  }
});

test('a maker that is killed leaves debris that the next one clears', async () => {
  await using under = await engineUnderTest();
  const { engine, layout, home } = under;
  const script = `
    const { createEngine } = await import('@novasandbox/engine');
    const engine = await createEngine();
    process.stdout.write('making\\n');
    await engine.sandboxes.create({ kernelArgs: 'nova.test=killed' });`;
  const child = (await import('node:child_process')).spawn(
    process.execPath,
    ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script],
    {
      env: home.env,
      cwd: join(import.meta.dirname, '../..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const vmmRuns = async (): Promise<boolean> => {
    const [id] = await readdir(layout.sandboxes);
    return id !== undefined && processesNaming(layout.sockets(id)).length > 0;
  };
  while (!(await vmmRuns())) await delay(5);
  child.kill('SIGKILL');
  await using _ = await sandbox(engine);
  assert.equal((await engine.sandboxes.list({ all: true })).length, 1);
  assert.equal((await readdir(layout.sandboxes)).length, 1);
});

test('a corrupt snapshot is made anew and the caller gets a sandbox', async () => {
  await using under = await engineUnderTest({ own: ['golden'] });
  const { engine, layout } = under;
  const config = { templateId: 'linux-default', memoryMb: 160 };
  await using _ = await sandbox(engine, config);
  const [digest = ''] = await readdir(layout.goldenSnapshots);
  const damage: [string, Buffer][] = [
    ['state', Buffer.from('no state at all')],
    ['snapshot.json', Buffer.from('{')],
    ['ram', Buffer.alloc(0)],
  ];
  for (const [file, contents] of damage) {
    await chmod(join(layout.golden(digest), file), 0o644);
    // Clones of the old snapshot live on: their memory must not be written to, only replaced.
    await (await import('node:fs/promises')).rm(join(layout.golden(digest), file));
    await writeFile(join(layout.golden(digest), file), contents);
    await using box = await sandbox(engine, config);
    assert.equal(box.metadata.bootKind, 'snapshot');
    assert.equal((await sh(engine, box.id, 'echo fine')).stdout, 'fine\n');
  }
});

test('a guest that never answers is a boot_timeout with the last words of its console', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const slow = engine.sandboxes.create({ kernelArgs: 'nova.channel=none', bootTimeoutMs: 6000 });
  await assert.rejects(slow, (error) => isNovaError(error, 'boot_timeout', 'boot_failed') && error.message.length > 40);
  await assert.rejects(engine.sandboxes.create({ kernelArgs: 'nova.test=1', bootTimeoutMs: 100 }), {
    code: 'boot_timeout',
  });
  await assertNoLeaks(layout);
});

test('a guest whose root cannot be mounted is a boot_failed that says so', async () => {
  await using under = await engineUnderTest();
  const { engine, layout, home } = under;
  const broken = join(home.home, 'broken.ext4');
  await writeFile(broken, Buffer.alloc(1 << 20));
  await assert.rejects(
    engine.sandboxes.create({ rootfsPath: broken }),
    (error) => isNovaError(error, 'boot_failed') && /nova-agent: fatal/.test(error.message),
  );
  await assertNoLeaks(layout);
});

test('a missing or dying QEMU is told with the remedy', async () => {
  await using home = await testHome({ own: ['probes'] });
  const path = process.env['PATH'] ?? '';
  const fake = join(home.home, 'fake');
  await mkdir(fake);
  try {
    process.env['PATH'] = fake;
    await using without = await createEngine({ home: home.home });
    await assert.rejects(
      without.sandboxes.create({}),
      (error) => isNovaError(error, 'hypervisor_unavailable') && /apt-get install qemu-system-x86/.test(error.message),
    );

    const real = execFileSync('which', ['qemu-system-x86_64'], { env: { PATH: path }, encoding: 'utf8' }).trim();
    const dies = 'echo "out of luck" >&2; exit 3';
    const version = 'case "$1" in --version) echo "QEMU emulator version 7.2.0"; exit;; esac';
    const qemu = async (...lines: string[]): Promise<void> => {
      await writeFile(join(fake, 'qemu-system-x86_64'), ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
    };
    process.env['PATH'] = `${fake}:${path}`;
    // It does not run the probe's guest either, so it is not usable as a hypervisor.
    await qemu(version, dies);
    await using broken = await createEngine({ home: home.home });
    await assert.rejects(
      broken.sandboxes.create({ kernelArgs: 'nova.test=1' }),
      (error) => isNovaError(error, 'hypervisor_unavailable') && /out of luck/.test(error.message),
    );
    await qemu(version, `case "$*" in *nova-probe*) exec ${real} "$@";; esac`, dies);
    await using dying = await createEngine({ home: home.home });
    await assert.rejects(
      dying.sandboxes.create({ kernelArgs: 'nova.test=1' }),
      (error) => isNovaError(error, 'vmm_failed') && /out of luck/.test(error.message),
    );
  } finally {
    process.env['PATH'] = path;
  }
  await assertNoLeaks(home.layout);
});

test('a kernel panic ends the sandbox, and calls say so', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const { id } = await engine.sandboxes.create({});
  const panic = sh(engine, id, 'echo c > /proc/sysrq-trigger; sleep 60');
  await assert.rejects(panic, (error) =>
    isNovaError(error, 'guest_unreachable', 'command_outcome_unknown', 'sandbox_not_running'),
  );
  const ended = await engine.sandboxes.exited(id, { signal: AbortSignal.timeout(30_000) });
  assert.equal(ended.state, 'stopped');
  await assert.rejects(engine.exec.ping(id), { code: 'sandbox_not_running' });
  assert.match((await engine.sandboxes.logs(id)).console, /panic/i);
  assert.equal((await engine.sandboxes.start(id)).state, 'running');
});

test('a call whose sandbox is stopped meanwhile is told so, by whoever stops it', async () => {
  await using under = await engineUnderTest();
  const { engine, home } = under;
  await using other = await createEngine({ home: home.home });
  for (const stopper of [engine, other]) {
    const { id } = await engine.sandboxes.create({ enableNetwork: false });
    const refused = (work: () => Promise<unknown>): Promise<string> =>
      (async () => {
        for (;;) await work();
      })().catch((error: unknown) => (isNovaError(error) ? error.code : String(error)));
    const calls = [
      refused(() => engine.files.stat(id, '/etc/hosts')),
      refused(() => engine.sandboxes.stats(id)),
      refused(() => engine.sandboxes.setTimeout(id, 600_000)),
    ];
    await stopper.sandboxes.stop(id, { force: stopper === other });
    assert.deepEqual(new Set(await Promise.all(calls)), new Set(['sandbox_not_running']));
    await engine.sandboxes.remove(id, { force: true });
  }
});

test('a VMM that is killed is noticed', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  const { id } = await engine.sandboxes.create({ ephemeral: true });
  const call = sh(engine, id, 'sleep 60');
  const [vmm] = processesNaming(layout.sockets(id));
  assert.ok(vmm !== undefined);
  process.kill(vmm.pid, 'SIGKILL');
  await assert.rejects(call, (error) => isNovaError(error, 'guest_unreachable', 'command_outcome_unknown'));
  // Its sockets close a moment before the process has ended.
  await eventually('it has gone', () =>
    engine.sandboxes.get(id).then(
      () => false,
      (error: unknown) => isNovaError(error, 'sandbox_not_found'),
    ),
  );
  await assertNoLeaks(layout);
});

test('a full disk of the host is told, and nothing is left', { skip: root ? false : 'needs root' }, async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=711', 'tmpfs', layout.sandboxes]);
  try {
    for (let round = 0; round < 2; round++) {
      await assert.rejects(engine.sandboxes.create({}), (error) =>
        isNovaError(error, 'host_resource_exhausted', 'vmm_failed'),
      );
      assert.deepEqual(await readdir(layout.sandboxes), []);
    }
  } finally {
    execFileSync('umount', [layout.sandboxes]);
  }
  assert.deepEqual(await engine.sandboxes.list({ all: true }), []);
});

test('a command that cannot be started says why', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const start = (request: Parameters<typeof engine.exec.start>[1]) => engine.exec.start(box.id, request);
  await assert.rejects(start({ argv: ['no-such-program'] }), { code: 'command_not_found' });
  await assert.rejects(start({ argv: ['/etc/passwd'] }), { code: 'command_not_executable' });
  await assert.rejects(start({ argv: ['true'], user: 'nobodyhere' }), { code: 'unknown_user' });
  await assert.rejects(start({ argv: ['true'], cwd: '/no/such/folder' }), { code: 'invalid_argument' });
  assert.equal((await sh(engine, box.id, 'no-such-program')).exit.exitCode, 127);
});

test('100 MB of output with a slow reader keeps memory flat and loses nothing', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const total = 100_000_000;
  const attached = await engine.exec.start(box.id, {
    argv: ['/bin/sh', '-c', `head -c ${total} /dev/zero | tr '\\0' x`],
  });
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let bytes = 0;
  let highest = 0;
  let chunks = 0;
  for await (const chunk of attached.output) {
    bytes += chunk.bytes.byteLength;
    if (++chunks % 100 === 0) {
      highest = Math.max(highest, process.memoryUsage().rss);
      await delay(2);
    }
  }
  assert.equal(bytes, total);
  assert.equal((await attached.exit).exitCode, 0);
  assert.ok(highest - before < 64 << 20, `grew by ${(highest - before) >> 20} MiB`);
  assert.ok((await engine.sandboxes.stats(box.id)).memoryUsageMb < 200);
});

test('output that is not UTF-8 arrives byte for byte', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const attached = await engine.exec.start(box.id, { argv: ['printf', '\\377\\376\\200ok\\303'] });
  const received: Uint8Array[] = [];
  for await (const { bytes } of attached.output) received.push(bytes);
  assert.equal(Buffer.concat(received).toString('hex'), 'fffe806f6bc3');
});
