import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Machine, VmmDriver } from '../ports/vmm-driver.ts';
import { consoleLog } from '../vmm/logs.ts';
import { firstAnswer } from './first-answer.ts';

/** Waits for a guest that never answers, although its VMM is a process; `console` holds its output. */
async function waitFor(console: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nova-answer-'));
  const vmm = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(vmm, 'spawn');
  try {
    if (console !== '') await writeFile(join(directory, consoleLog), console);
    const machine = {
      record: { pid: vmm.pid, directory },
      exited: new Promise<void>(() => undefined),
    } as unknown as Machine;
    const driver: Pick<VmmDriver, 'name' | 'probe'> = {
      name: 'qemu',
      probe: () => Promise.resolve({ available: true, accelerator: 'tcg', version: '10.0.13', binary: '', reason: '' }),
    };
    const links = {
      open: (_: Machine, { signal }: { readonly signal: AbortSignal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('no answer')))),
    } as unknown as EngineContext['links'];
    await firstAnswer({ links }, driver, machine, { timeoutMs: 50, flush: false });
    assert.fail('a guest that says nothing has answered');
  } catch (error) {
    assert.ok(isNovaError(error, 'boot_timeout'), String(error));
    return error.message;
  } finally {
    vmm.kill('SIGKILL');
    await once(vmm, 'exit');
    await rm(directory, { recursive: true });
  }
}

test('a guest that hangs before its first line of console is told with its VMM, version and command line', async () => {
  const message = await waitFor('');
  assert.match(message, /wrote nothing to its console/);
  assert.match(message, /qemu 10\.0\.13 \(tcg\)/);
  assert.match(message, /'sleep' '600'/);
});

test('a guest that has written to its console and does not answer is told with its last lines', async () => {
  const message = await waitFor('[    1.0] Kernel panic - not syncing\n');
  assert.match(message, /did not answer within 50 ms/);
  assert.match(message, /Kernel panic/);
});
