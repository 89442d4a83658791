import assert from 'node:assert/strict';
import { test } from 'node:test';
import { processesNaming, type Layout } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import { e2bUnderTest } from '../support/e2b-server.ts';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';

/** Signals a sandbox's VMM: SIGSTOP freezes it, as a debugger or a host that is out of memory does. */
function signalVmm(layout: Layout, id: string, signal: NodeJS.Signals): void {
  const vmms = processesNaming(layout.sockets(id));
  assert.notEqual(vmms.length, 0);
  for (const { pid } of vmms) process.kill(pid, signal);
}

test('a frozen VMM costs its own calls alone, each of which ends; it goes on unpaused when it thaws', async () => {
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using frozen = await sandbox(engine);
  await using neighbour = await sandbox(engine);
  const limit = { argv: ['/bin/sleep', '600'], timeoutMs: 5000 };
  const running = await engine.exec.start(frozen.id, limit);
  signalVmm(layout, frozen.id, 'SIGSTOP');

  const unreachable = (error: unknown): boolean => isNovaError(error, 'guest_unreachable', 'command_outcome_unknown');
  const startedAt = performance.now();
  const starting = engine.exec.start(frozen.id, limit);
  const pausing = engine.sandboxes.pause(frozen.id);
  pausing.catch(() => undefined);
  assert.equal((await engine.sandboxes.list()).length, 2);
  assert.equal((await sh(engine, neighbour.id, 'echo well')).stdout, 'well\n');
  await using _third = await sandbox(engine);
  await assert.rejects(starting, unreachable);
  await assert.rejects(running.exit, unreachable);
  assert.ok(
    performance.now() - startedAt < 25_000,
    'commands with a limit of 5 s do not wait for the longest there is',
  );
  await assert.rejects(pausing, (error) => isNovaError(error, 'vmm_failed'));

  signalVmm(layout, frozen.id, 'SIGCONT');
  assert.equal((await engine.sandboxes.get(frozen.id)).state, 'running');
  await eventually('the guest answers again', async () => {
    const ran = await sh(engine, frozen.id, 'echo back', { timeoutMs: 5000 }).catch(() => null);
    return ran?.stdout === 'back\n';
  });
});

test('a sandbox whose VMM is frozen does not keep another from being paused in time', async () => {
  await using served = await e2bUnderTest();
  const { layout } = served.home;
  const call = async (path: string, body: unknown): Promise<Response> => {
    const response = await fetch(`${served.url}${path}`, {
      method: 'POST',
      headers: { 'X-API-Key': served.options.apiKey, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.ok(response.ok, await response.clone().text());
    return response;
  };
  const create = async (): Promise<string> => {
    const made = await call('/sandboxes', { templateID: 'base', timeout: 300, autoPause: true });
    return ((await made.json()) as { sandboxID: string }).sandboxID;
  };
  const [frozen, neighbour] = [await create(), await create()];
  await call(`/sandboxes/${frozen}/timeout`, { timeout: 1 });
  await call(`/sandboxes/${neighbour}/timeout`, { timeout: 1 });
  const both = [frozen, neighbour];
  signalVmm(layout, frozen, 'SIGSTOP');
  // E2B's pause is ours to hibernate. The frozen one takes 30 s, after which its VMM counts as not answering.
  const isPaused = async (): Promise<boolean> => {
    const states = await Promise.all(both.map((id) => served.engine.sandboxes.get(id)));
    return states[1]?.state === 'hibernated';
  };
  await eventually('the neighbour is paused', isPaused, 25_000);
  assert.equal((await served.engine.sandboxes.get(frozen)).state, 'running');
  signalVmm(layout, frozen, 'SIGCONT');
});
