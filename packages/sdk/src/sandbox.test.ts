import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, ExecRequest, SandboxService } from '@novasandbox/engine/services';
import { driverFeatures, NovaError, parse, sandboxConfigSchema, type SandboxInfo } from '@novasandbox/protocol';
import { scriptedProcess } from './commands/attached-process.test-support.ts';
import { CommandError } from './commands/command-error.ts';
import {
  AppleVzHypervisor,
  CloudHypervisor,
  FirecrackerHypervisor,
  QemuHypervisor,
} from './administration/hypervisor.ts';
import { Sandbox } from './sandbox.ts';
import { SandboxConfig } from './sandbox-config.ts';

/** A fake engine that records what the SDK asks for. The real one is tested end to end. */
function recordingEngine() {
  const calls: string[] = [];
  const requests: ExecRequest[] = [];
  const script = scriptedProcess();
  const ended = Promise.withResolvers<void>();
  let info = {
    id: 'abcd1234',
    name: null,
    state: 'running',
    startedAt: new Date(Date.now() - 5000).toISOString(),
    metadata: { bootTimeMs: 12, bootKind: 'snapshot', accelerator: 'tcg' },
  } as SandboxInfo;
  const move = (state: SandboxInfo['state'], call: string): Promise<SandboxInfo> => {
    calls.push(call);
    info = { ...info, state };
    return Promise.resolve(info);
  };
  const sandboxes: Partial<SandboxService> = {
    create: async (config) => {
      calls.push(`create ${JSON.stringify(config)}`);
      parse(sandboxConfigSchema, config, 'config');
      return info;
    },
    get: async (ref) => {
      if (ref !== info.id) throw new NovaError('sandbox_not_found', `There is no ${ref}.`);
      return info;
    },
    config: async () => parse(sandboxConfigSchema, {}, 'config'),
    list: async () => [info],
    stop: (_, options) => move('stopped', `stop ${JSON.stringify(options)}`),
    start: (_, context) => move('running', `start ${context?.hypervisor ?? ''}`.trim()),
    pause: () => move('paused', 'pause'),
    resume: () => move('running', 'resume'),
    remove: async (ref, options) => {
      calls.push(`remove ${ref} ${JSON.stringify(options)}`);
      if (ref !== info.id) throw new NovaError('sandbox_not_found', `There is no ${ref}.`);
    },
    exited: (_ref, context) =>
      new Promise((resolve, reject) => {
        context?.signal?.addEventListener('abort', () => reject(new Error('aborted')));
        void ended.promise.then(() => resolve({ ...info, state: 'failed' }));
      }),
  };
  const engine = {
    sandboxes,
    exec: {
      start: async (_ref: string, request: ExecRequest) => {
        requests.push(request);
        return script.process;
      },
      signal: async (_ref: string, id: number, signal: number) => void calls.push(`signal ${id} ${signal}`),
    },
  } as unknown as Engine;
  return { engine, sandboxes, calls, requests, script, crash: () => ended.resolve() };
}

test('disposing a handle from create removes the sandbox', async () => {
  const { engine, calls } = recordingEngine();
  {
    await using sandbox = await Sandbox.create({ engine, memoryMb: 256 });
    assert.equal(sandbox.id, sandbox.sandboxId);
    assert.equal(sandbox.isRunning(), true);
    assert.ok(sandbox.getUptimeMs() >= 5000);
    assert.equal(sandbox.metadata.bootKind, 'snapshot');
  }
  assert.deepEqual(calls, ['create {"memoryMb":256}', 'remove abcd1234 {"force":true}']);
});

test('disposing a handle from connect leaves the sandbox, and a closed handle says so', async () => {
  const { engine, calls } = recordingEngine();
  const sandbox = await Sandbox.connect('abcd1234', { engine });
  await sandbox[Symbol.asyncDispose]();
  assert.deepEqual(calls, []);
  await assert.rejects(sandbox.getInfo(), { code: 'invalid_state' });
  await assert.rejects(sandbox.files.stat('/'), { code: 'invalid_state' });
});

test('disconnect gives up a sandbox that create made', async () => {
  const { engine, calls } = recordingEngine();
  {
    await using sandbox = await Sandbox.create({ engine });
    await sandbox.disconnect();
  }
  assert.deepEqual(calls, ['create {}']);
});

test('stop, start, pause and resume tell whether they changed anything', async () => {
  const { engine } = recordingEngine();
  await using sandbox = await Sandbox.connect('abcd1234', { engine });
  assert.equal(await sandbox.pause(), true);
  assert.equal(await sandbox.pause(), false);
  assert.equal(await sandbox.resume(), true);
  assert.equal(await sandbox.stop({ force: true }), true);
  assert.equal(await sandbox.stop(), false);
  assert.equal(sandbox.isRunning(), false);
  assert.equal(sandbox.getUptimeMs(), 0);
  assert.equal(await sandbox.start(), true);
});

test('a sandbox that ends by itself is noticed', async () => {
  const { engine, crash } = recordingEngine();
  await using sandbox = await Sandbox.connect('abcd1234', { engine });
  crash();
  await new Promise(setImmediate);
  assert.equal(sandbox.state, 'failed');
});

test('kill by name tells whether there was one', async () => {
  const { engine } = recordingEngine();
  assert.equal(await Sandbox.kill('nobody', { engine }), false);
  assert.equal(await Sandbox.kill('abcd1234', { engine }), true);
});

test('a kill that failed left the sandbox: the next one removes it, and says so', async () => {
  const { engine, sandboxes } = recordingEngine();
  const sandbox = await Sandbox.create({ engine });
  const remove = sandboxes.remove;
  sandboxes.remove = async () => {
    throw new NovaError('host_resource_exhausted', 'full');
  };
  await assert.rejects(sandbox.kill(), { code: 'host_resource_exhausted' });
  Object.assign(sandboxes, { remove });
  assert.equal(await sandbox.kill(), true);
  assert.equal(await sandbox.kill(), false);
});

test('a string runs by sh, a list as it is, and options are checked', async () => {
  const { engine, requests, script } = recordingEngine();
  await using sandbox = await Sandbox.connect('abcd1234', { engine });
  script.end();
  await sandbox.commands.run('echo hi', { cwd: '/tmp', env: { A: 'b' }, user: 'root', timeoutMs: 5 });
  await sandbox.commands.run(['echo', 'hi'], { stdin: 'x' });
  assert.deepEqual(requests[0]?.argv, ['/bin/sh', '-c', 'echo hi']);
  assert.equal(requests[0]?.timeoutMs, 5);
  assert.equal(requests[0]?.stdin, false);
  assert.deepEqual(requests[1]?.argv, ['echo', 'hi']);
  assert.equal(requests[1]?.stdin, true);
  await assert.rejects(sandbox.commands.run('x', { timeoutMs: -1 }), { code: 'invalid_argument' });
  await assert.rejects(sandbox.commands.run([]), { code: 'invalid_argument' });
});

test('check: false gives the result of a failure', async () => {
  const { engine, script } = recordingEngine();
  await using sandbox = await Sandbox.connect('abcd1234', { engine });
  script.end({ exitCode: 3 });
  assert.equal((await sandbox.commands.run('x', { check: false })).exitCode, 3);
  await assert.rejects(sandbox.commands.run('x'), CommandError);
});

test('an abort kills the command', async () => {
  const { engine, calls, script } = recordingEngine();
  await using sandbox = await Sandbox.connect('abcd1234', { engine });
  const abort = new AbortController();
  const running = sandbox.commands.run('sleep 100', { signal: abort.signal });
  setImmediate(() => abort.abort());
  await assert.rejects(running, { code: 'cancelled' });
  assert.deepEqual(calls, ['signal 1 9']);
  assert.equal(script.seen.detached, true);
});

test('a callback that throws kills the command', async () => {
  const { engine, calls, script } = recordingEngine();
  await using sandbox = await Sandbox.connect('abcd1234', { engine });
  const running = sandbox.commands.run('yes', {
    onStdout: () => {
      throw new Error('enough');
    },
  });
  void script.say('y');
  await assert.rejects(running, /enough/);
  assert.deepEqual(calls, ['signal 1 9']);
});

test('the lower level works by id, and takes a SandboxConfig', async () => {
  const { engine, calls } = recordingEngine();
  await using hypervisor = new QemuHypervisor({ engine });
  const sandbox = await hypervisor.createSandbox(new SandboxConfig({ memoryMb: 256 }));
  assert.match(calls[0] ?? '', /"memoryMb":256.*"hypervisor":"qemu"/);
  assert.equal(await hypervisor.pauseSandbox(sandbox.sandboxId), true);
  assert.equal(await hypervisor.resumeSandbox(sandbox.sandboxId), true);
  assert.equal(await hypervisor.stopSandbox(sandbox.sandboxId, { force: true }), true);
  assert.equal(await hypervisor.startSandbox(sandbox.sandboxId), true);
  assert.equal(calls.at(-1), 'start qemu');
  await assert.rejects(hypervisor.stopSandbox('nobody'), { code: 'sandbox_not_found' });
});

test('each class is one hypervisor, whose features it tells', async () => {
  const { engine, calls } = recordingEngine();
  const probe = { available: true, accelerator: 'kvm', version: '1', binary: '', reason: '' };
  const names = ['qemu', 'firecracker', 'cloud-hypervisor', 'apple-vz'] as const;
  const reports = names.map((name) => ({ name, features: driverFeatures({ snapshot: name !== 'apple-vz' }), probe }));
  Object.assign(engine, { hypervisors: async () => reports });
  const classes = [QemuHypervisor, FirecrackerHypervisor, CloudHypervisor, AppleVzHypervisor];
  for (const [index, Each] of classes.entries()) {
    await using hypervisor = new Each({ engine });
    assert.equal(hypervisor.name, names[index]);
    assert.equal((await hypervisor.features()).snapshot, names[index] !== 'apple-vz');
    await hypervisor.createSandbox();
    assert.match(calls.at(-1) ?? '', new RegExp(`"hypervisor":"${names[index]}"`));
  }
});
