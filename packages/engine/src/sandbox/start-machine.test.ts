import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { isNovaError, NovaError, type ErrorCode } from '@novasandbox/protocol';
import type { Machine } from '../ports/vmm-driver.ts';
import { startMachine } from './start-machine.ts';

/** A VMM that answers nothing, started by a driver that heeds its signal. */
async function hangs(signal: AbortSignal): Promise<Machine> {
  await once(signal, 'abort');
  throw new NovaError('cancelled', 'Cancelled while the VMM was starting.');
}

const refused = (code: ErrorCode) => (error: unknown) => isNovaError(error, code);

test('a VMM that does not answer is given up after the time limit', async () => {
  await assert.rejects(startMachine(20, undefined, hangs), refused('boot_timeout'));
  await assert.rejects(startMachine(20, new AbortController().signal, hangs), refused('boot_timeout'));
});

test('who gives up before is told that, and other failures are told as they are', async () => {
  const caller = new AbortController();
  const started = startMachine(60_000, caller.signal, hangs);
  caller.abort();
  await assert.rejects(started, refused('cancelled'));
  const fails = (): Promise<Machine> => Promise.reject(new NovaError('vmm_failed', 'no memory'));
  await assert.rejects(startMachine(60_000, undefined, fails), refused('vmm_failed'));
});
