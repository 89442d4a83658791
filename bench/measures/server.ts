import { setTimeout as delay } from 'node:timers/promises';
import { daemonProcess, type DaemonProcess } from '../daemon-process.ts';
import { load } from '../load.ts';
import type { BenchContext, Measure } from '../measure.ts';
import { exec, sandbox } from '../sandboxes.ts';
import { repeat, summarise, timed } from '../statistics.ts';

const settleMs = 3000;

/** Overhead of the daemon over the engine, its throughput and its memory. */
export const server: Measure = {
  id: 'server',
  title: 'Daemon',
  async run(context) {
    await starts(context);
    {
      await using daemon = await daemonProcess(context.signal);
      await reads(context, daemon);
      await calls(context, daemon);
    }
    // A fresh daemon: memory that a burst of requests leaves in the heap is not due to the sandboxes.
    await using fresh = await daemonProcess(context.signal);
    await memory(context, fresh);
  },
};

async function starts({ quick, report, signal }: BenchContext): Promise<void> {
  const values: number[] = [];
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    await using daemon = await daemonProcess(signal);
    values.push(daemon.firstAnswerMs);
  }
  const summary = summarise(values);
  report({ name: 'daemon, start to first answer', unit: 'ms', value: summary.p50, summary, budget: 1000 });
}

async function reads({ quick, templateId, report }: BenchContext, daemon: DaemonProcess): Promise<void> {
  const { id } = (await daemon.call('POST', '/vms', { template: templateId })) as { id: string };
  const request = { path: `/api/v1/vms/${id}`, key: daemon.key };
  await load(daemon.url, request, { clients: 50, seconds: 1 });
  const { requestsPerSecond, latenciesMs, failures } = await load(daemon.url, request, {
    clients: 50,
    seconds: quick ? 1 : 5,
  });
  if (failures > 0) throw new Error(`${failures} reads failed`);
  const summary = summarise(latenciesMs);
  report({ name: 'REST reads, 50 clients', unit: 'req/s', value: requestsPerSecond, budget: 2000 });
  report({ name: 'REST reads, 50 clients, p99', unit: 'ms', value: summary.p99, summary, budget: 20 });
  await daemon.call('DELETE', `/vms/${id}`);
}

interface Turns {
  readonly engine: number[];
  readonly rest: number[];
  /** Time through REST minus the engine's part as measured by the daemon: HTTP, and the daemon's work around it. */
  readonly around: number[];
}

const noTurns = (): Turns => ({ engine: [], rest: [], around: [] });

/**
 * Runs the same work through the engine and through REST in turns, so that other load on the host affects both equally.
 */
async function calls({ engine, quick, templateId, report }: BenchContext, daemon: DaemonProcess): Promise<void> {
  const creates = noTurns();
  for (let round = 0; round < (quick ? 3 : 20); round++) {
    const startedAt = performance.now();
    const own = await engine.sandboxes.create({ templateId });
    creates.engine.push(performance.now() - startedAt);
    await engine.sandboxes.remove(own.id, { force: true });
    const restAt = performance.now();
    const made = (await daemon.call('POST', '/vms', { template: templateId })) as { id: string; boot_time_ms: number };
    const { id } = made;
    const restMs = performance.now() - restAt;
    creates.rest.push(restMs);
    creates.around.push(restMs - made.boot_time_ms);
    await daemon.call('DELETE', `/vms/${id}`);
  }
  told('create', creates, 10);

  await using own = await sandbox(engine, { templateId });
  const { id } = (await daemon.call('POST', '/vms', { template: templateId })) as { id: string };
  const command = ['true'];
  const overRest = () => daemon.call('POST', `/vms/${id}/execute`, { command }) as Promise<{ duration_ms: number }>;
  await repeat(5, () => exec(engine, own.id, command));
  await repeat(5, overRest);
  const executions = noTurns();
  for (let round = 0; round < (quick ? 10 : 200); round++) {
    executions.engine.push(await timed(() => exec(engine, own.id, command)));
    const restAt = performance.now();
    const { duration_ms } = await overRest();
    const restMs = performance.now() - restAt;
    executions.rest.push(restMs);
    executions.around.push(restMs - duration_ms);
  }
  told('exec true', executions, 3);
  await daemon.call('DELETE', `/vms/${id}`);

  function told(name: string, values: Turns, budget: number): void {
    const [own, rest, around] = [summarise(values.engine), summarise(values.rest), summarise(values.around)];
    report({ name: `${name}, engine`, unit: 'ms', value: own.p50, summary: own });
    report({ name: `${name} through REST`, unit: 'ms', value: rest.p50, summary: rest });
    report({ name: `${name}, what REST adds`, unit: 'ms', value: rest.p50 - own.p50, budget });
    report({ name: `${name}, of it around the engine's call`, unit: 'ms', value: around.p50, summary: around });
  }
}

async function memory(
  { quick, templateId, report, progress, signal }: BenchContext,
  daemon: DaemonProcess,
): Promise<void> {
  const count = quick ? 5 : 50;
  for (let index = 0; index < count; index++) {
    await daemon.call('POST', '/vms', { template: templateId, memory_mb: 512 });
    progress(`${index + 1} of ${count} alive`);
  }
  await delay(settleMs, undefined, { signal });
  report({
    name: `memory of the daemon, ${count} alive`,
    unit: 'MB',
    value: await daemon.rssMb(),
    ...(count === 50 ? { budget: 150 } : {}),
  });
  await daemon.call('POST', '/system/emergency-stop');
}
