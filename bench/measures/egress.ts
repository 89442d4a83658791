import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createLauncher, layoutAt, openNetwork, type Layout, type Network } from '@novasandbox/engine';
import { networkPolicySchema, type NetworkPolicyInput } from '@novasandbox/protocol';
import { egressProcesses } from '@novasandbox/tests/egress-process';
import { makeEgressWorld, queryFor, type EgressWorld } from '@novasandbox/tests/egress-world';
import type { BenchContext, Measure } from '../measure.ts';
import { sandbox } from '../sandboxes.ts';
import { repeat, summarise, timed } from '../statistics.ts';

const policy: NetworkPolicyInput = { rules: [{ action: 'allow', host: 'allowed.test' }] };
const governance = {
  policy: networkPolicySchema.parse(policy),
  ...{ names: [], answers: [], memberships: [], hostnames: [] },
};

/**
 * The cost of network policies: guests and servers are programs in network namespaces, so that a virtual machine's own
 * speed is no part of it, except where a sandbox is created or its policy is changed.
 */
export const egress: Measure = {
  id: 'egress',
  title: 'Network policies',
  async run(context) {
    const layout = layoutAt(context.home);
    await using network = openNetwork(layout, createLauncher());
    const { slots, reason } = await network.probe();
    if (!slots) return context.progress(`there are no network slots: ${reason}`);
    await creates(context);
    await changes(context);
    await many(context, layout, network);
    await using world = await makeEgressWorld(layout);
    await world.egress.serve('box', { slot: world.slot, ...governance });
    await streams(context, world);
    await queries(context, world);
  },
};

/** Measures in turns how much a network, and a policy, add to a create. */
async function creates({ engine, quick, templateId, report, progress }: BenchContext): Promise<void> {
  const configs = { none: { enableNetwork: false }, slot: {}, policy: { policy } } as const;
  const times: Record<keyof typeof configs, number[]> = { none: [], slot: [], policy: [] };
  for (let round = 0; round < (quick ? 2 : 20); round++) {
    progress(`creates, round ${round + 1}`);
    for (const kind of ['none', 'slot', 'policy'] as const) {
      let id = '';
      const ms = await timed(async () => ({ id } = await engine.sandboxes.create({ templateId, ...configs[kind] })));
      // The first round makes the snapshots.
      if (round > 0) times[kind].push(ms);
      await engine.sandboxes.remove(id, { force: true });
    }
  }
  const [none, slot, governed] = [summarise(times.none), summarise(times.slot), summarise(times.policy)];
  report({ name: 'create without a network', unit: 'ms', value: none.p50, summary: none });
  report({ name: 'create with a network', unit: 'ms', value: slot.p50, summary: slot });
  report({ name: 'create, what a network adds', unit: 'ms', value: slot.p50 - none.p50, budget: 10 });
  report({ name: 'create with a policy', unit: 'ms', value: governed.p50, summary: governed });
}

async function changes({ engine, quick, templateId, report }: BenchContext): Promise<void> {
  await using box = await sandbox(engine, { templateId, policy });
  const applied = summarise(
    await repeat(quick ? 2 : 30, (round) => engine.sandboxes.setPolicy(box.id, round % 2 === 0 ? 'none' : policy)),
  );
  report({ name: 'policy: a change is in force', unit: 'ms', value: applied.p50, summary: applied, budget: 100 });
}

const idleMs = 5000;

/** Slots of many sandboxes, and the process that serves them. */
async function many({ quick, report }: BenchContext, layout: Layout, network: Network): Promise<void> {
  const names = Array.from({ length: quick ? 5 : 100 }, (_, index) => `bench${index}`);
  try {
    const ms = await timed(async () => {
      for (const name of names) await network.take(name, { forwards: [] });
    });
    report({ name: `${names.length} network slots`, unit: 's', value: ms / 1000, budget: 5 });
    for (const name of names) await network.govern(name, governance);
    const [pid = 0] = egressProcesses(layout);
    const cpuBefore = cpuSeconds(pid);
    await delay(idleMs);
    const cpu = ((cpuSeconds(pid) - cpuBefore) / (idleMs / 1000)) * 100;
    const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
    report({ name: `egress process, ${names.length} sandboxes`, unit: 'MB', value: resident, budget: 80 });
    report({ name: 'egress process, CPU while idle', unit: '%', value: cpu, budget: 0.1 });
  } finally {
    for (const name of names) await network.giveBack(name);
  }
}

const gib = 1 << 30;

async function streams({ quick, report }: BenchContext, world: EgressWorld): Promise<void> {
  const bytes = quick ? gib / 64 : gib / 2;
  const cpuBefore = cpuSeconds(world.process.pid ?? 0);
  const { received, ms } = await world.ask({ kind: 'stream', host: 'allowed.test', bytes });
  if (Number(received) !== bytes) throw new Error(`${received} of ${bytes} bytes came`);
  const cpu = cpuSeconds(world.process.pid ?? 0) - cpuBefore;
  report({ name: 'proxied stream, CPU', unit: 's/GiB', value: (cpu * gib) / bytes, budget: 1.5 });
  report({ name: 'proxied stream', unit: 'MB/s', value: bytes / 1e6 / (ms / 1000) });
  const count = quick ? 20 : 500;
  const times = async (work: Promise<{ readonly received: string }>): Promise<ReturnType<typeof summarise>> =>
    summarise(JSON.parse((await work).received) as number[]);
  const direct = await times(world.askOnHost({ kind: 'first bytes', host: '198.51.100.2', port: 2222, count }));
  const proxied = await times(world.ask({ kind: 'first bytes', host: 'allowed.test', port: 2222, count }));
  report({ name: 'first byte, direct', unit: 'ms', value: direct.p50, summary: direct });
  report({ name: 'first byte, proxied', unit: 'ms', value: proxied.p50, summary: proxied });
  report({ name: 'first byte, what the proxy adds', unit: 'ms', value: proxied.p50 - direct.p50, budget: 1 });
}

async function queries({ quick, report }: BenchContext, world: EgressWorld): Promise<void> {
  const count = quick ? 500 : 50_000;
  const asked = { kind: 'queries', server: '172.16.255.1', message: queryFor('allowed.test', 1), count } as const;
  const { received, ms } = await world.ask({ ...asked, atOnce: 16 });
  const times = summarise(JSON.parse(received) as number[]);
  report({ name: 'name queries, 16 at once', unit: 'req/s', value: count / (ms / 1000), budget: 10_000 });
  report({ name: 'name queries, 16 at once, p99', unit: 'ms', value: times.p99, summary: times, budget: 2 });
}

/** Clock ticks of Linux in a second, as processes see them (USER_HZ). */
const ticks = 100;

/** CPU time of a process so far, s. */
function cpuSeconds(pid: number): number {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const fields = rest.split(' ');
  // utime and stime are the 14th and 15th of all fields (proc_pid_stat(5)), of which two precede `rest`.
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}
