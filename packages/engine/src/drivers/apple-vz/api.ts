import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { NovaError } from '@novasandbox/protocol';
import type { UnixHttpClient } from '../../vmm/unix-http.ts';

/** States of Apple's VZVirtualMachine, as vfkit names them. */
const vmState = z.object({ state: z.string().startsWith('VirtualMachineState') });
const refusal = z.object({ error: z.string() });

export type State = 'Running' | 'Paused';

/** Time after which a change of state counts as hanging, ms. It normally takes a few ms, a start somewhat more. */
const changesWithinMs = 30_000;
const lookEveryMs = 2;

async function stateOf(http: UnixHttpClient, signal?: AbortSignal): Promise<string> {
  const { status, body } = await http.call('GET', '/vm/state', undefined, signal);
  const found = vmState.safeParse(body);
  if (status !== 200 || !found.success)
    throw new NovaError('vmm_failed', `vfkit answered ${status} when it was asked for the state of its machine.`);
  return found.data.state.slice('VirtualMachineState'.length);
}

/** Waits until the machine is in a state that it is on its way to. */
export async function reach(http: UnixHttpClient, wanted: State, signal?: AbortSignal): Promise<void> {
  const end = performance.now() + changesWithinMs;
  for (;;) {
    const state = await stateOf(http, signal);
    if (state === wanted) return;
    if (state === 'Error' || performance.now() > end)
      throw new NovaError('vmm_failed', `The machine is not ${wanted.toLowerCase()} but in the state "${state}".`);
    await delay(lookEveryMs);
  }
}

/** Pauses or resumes. A machine that is already in the state gets no request, because vfkit would refuse it. */
export async function change(http: UnixHttpClient, wanted: State, signal?: AbortSignal): Promise<void> {
  if ((await stateOf(http, signal)) === wanted) return;
  const asked = wanted === 'Paused' ? 'Pause' : 'Resume';
  const { status, body } = await http.call('POST', '/vm/state', { state: asked }, signal);
  // vfkit's documentation says 200, its source 202.
  if (status !== 200 && status !== 202) {
    const said = refusal.safeParse(body);
    throw new NovaError('vmm_failed', `vfkit refused to ${asked.toLowerCase()}: ${said.data?.error ?? status}`);
  }
  await reach(http, wanted, signal);
}
