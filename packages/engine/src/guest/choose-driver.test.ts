import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  driverFeatures,
  isNovaError,
  type DriverFeatures,
  type HypervisorName,
  sandboxConfigSchema,
  type SandboxConfigInput,
} from '@novasandbox/protocol';
import { hostArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import { chooseDriver } from './choose-driver.ts';
import { unsupported } from './features.ts';

interface Stand {
  readonly has?: Partial<DriverFeatures>;
  readonly available?: boolean;
  readonly maxVcpus?: number;
}

/** Drivers that only state their features; choosing needs no more. */
function drivers(
  stands: Readonly<Record<string, Stand>>,
  network = { slots: true, slotsForPolicies: true, reason: '' },
) {
  const probed: string[] = [];
  const all = Object.entries(stands).map(
    ([name, { has = {}, available = true, maxVcpus }]): [HypervisorName, VmmDriver] => [
      name as HypervisorName,
      {
        name: name as HypervisorName,
        features: driverFeatures({ virtualMachine: true, ...has }),
        ...(maxVcpus === undefined ? {} : { maxVcpus }),
        probe: () => {
          probed.push(name);
          const reason = available ? 'it works' : `${name} is not installed`;
          return Promise.resolve({ available, accelerator: 'kvm', version: '1', binary: '', reason });
        },
        snapshotKey: () => Promise.reject(new Error('not asked for')),
        launch: () => Promise.reject(new Error('not asked for')),
        attach: () => Promise.resolve(null),
      },
    ],
  );
  return {
    drivers: new Map(all),
    probed,
    network: { probe: () => Promise.resolve(network) } as unknown as EngineContext['network'],
  };
}

const config = (asked: SandboxConfigInput = {}) => {
  const parsed = sandboxConfigSchema.parse({ enableNetwork: false, ...asked });
  return { ...parsed, vcpus: parsed.vcpus ?? 1 };
};
const online = { enableNetwork: true };

test('auto takes the first that a probe proves', async () => {
  const context = drivers({
    firecracker: { available: false },
    qemu: {},
    'apple-vz': {},
    process: { has: { virtualMachine: false } },
  });
  assert.equal((await chooseDriver(context, config())).driver.name, 'qemu');
  assert.deepEqual(context.probed, ['firecracker', 'qemu']);
});

test('auto passes over what cannot serve the config, unprobed', async () => {
  const context = drivers({
    firecracker: { has: { tapNetwork: true }, maxVcpus: 32 },
    'apple-vz': { has: { natNetwork: true } },
    qemu: { has: { userNetwork: true } },
  });
  const choose = async (asked: SandboxConfigInput) => {
    const { driver, network } = await chooseDriver(context, config(asked));
    return [driver.name, network];
  };
  assert.deepEqual(await choose(online), ['firecracker', 'slot']);
  assert.deepEqual(await choose({ ...online, vcpus: 33 }), ['apple-vz', 'nat']);
  assert.deepEqual(await choose({ ...online, vcpus: 33, hostPort: 80 }), ['qemu', 'user']);
  assert.deepEqual(context.probed, ['firecracker', 'apple-vz', 'qemu']);
});

test('the one asked for is refused for what it cannot, and those that can are named', async () => {
  const context = drivers({
    'apple-vz': { has: { natNetwork: true } },
    qemu: { has: { userNetwork: true } },
    firecracker: { maxVcpus: 32 },
  });
  await assert.rejects(chooseDriver(context, config({ hypervisor: 'firecracker', vcpus: 33 })), (error) => {
    assert.ok(isNovaError(error, 'feature_unsupported'));
    assert.match(error.message, /^vcpus: The hypervisor firecracker cannot run 33 virtual CPUs \(32 at most\): /);
    return true;
  });
  await assert.rejects(chooseDriver(context, config({ hypervisor: 'apple-vz', ...online, hostPort: 80 })), (error) => {
    assert.ok(isNovaError(error, 'feature_unsupported'));
    assert.match(error.message, /^hostPort: The hypervisor apple-vz cannot forward ports .*: qemu can\./);
    const problem = error.message.replace('hostPort: ', '');
    const issues = [{ field: 'hostPort', problem }];
    assert.deepEqual(error.details, { hypervisor: 'apple-vz', able: ['qemu'], issues });
    return true;
  });
  await assert.rejects(chooseDriver(context, config({ hypervisor: 'firecracker', ...online })), /needs a network slot/);
  await assert.rejects(
    chooseDriver(context, config({ hypervisor: 'qemu', hyperv: true })),
    /^NovaError: hyperv: The hypervisor qemu cannot offer Hyper-V's interfaces .*: none here can/,
  );
  const rateLimits = { disk: { operationsPerSecond: 5 } };
  const asked: readonly (readonly [SandboxConfigInput, string])[] = [
    [{ firmwarePath: '/x' }, 'firmwarePath'],
    [{ rateLimits }, 'rateLimits'],
    [{ architecture: hostArchitecture().name === 'amd64' ? 'arm64' : 'amd64' }, 'architecture'],
    [{ vcpus: 33 }, 'vcpus'],
  ];
  const small = drivers({ firecracker: { maxVcpus: 32 } });
  for (const [each, field] of asked)
    await assert.rejects(chooseDriver(small, config({ hypervisor: 'firecracker', ...each })), (error) => {
      assert.ok(isNovaError(error, 'feature_unsupported'));
      assert.match(error.message, new RegExp(`^${field}: The hypervisor firecracker cannot [^:]+: none here can\\.$`));
      return true;
    });
  assert.equal(
    (await chooseDriver(small, config({ rateLimits: {}, architecture: hostArchitecture().name }))).driver.name,
    'firecracker',
  );
  assert.deepEqual(small.probed, ['firecracker']);
  assert.deepEqual(context.probed, []);
});

test('when nothing serves, why is told of each', async () => {
  const context = drivers({ firecracker: {}, qemu: { available: false, has: { userNetwork: true } } });
  await assert.rejects(chooseDriver(context, config(online)), (error) => {
    assert.ok(isNovaError(error, 'hypervisor_unavailable'));
    assert.match(error.message, /firecracker needs a network slot.*; qemu is not installed/);
    return true;
  });
  await assert.rejects(chooseDriver(context, config({ hypervisor: 'cloud-hypervisor' })), (error) => {
    assert.ok(isNovaError(error, 'invalid_argument'));
    assert.match(error.message, /there is no hypervisor "cloud-hypervisor" here; there are auto, firecracker, qemu\./);
    return true;
  });
});

test('where only sandboxes with a policy can have slots, the others have the network that their memory knows', async () => {
  const qemu = { qemu: { has: { userNetwork: true, tapNetwork: true } } };
  const rootless = drivers(qemu, { slots: false, slotsForPolicies: true, reason: 'no root' });
  const governed = config({ ...online, policy: 'none' });
  assert.equal((await chooseDriver(rootless, governed)).network, 'slot');
  assert.equal((await chooseDriver(rootless, config({ ...online, policy: 'all' }))).network, 'user');
  assert.equal((await chooseDriver(rootless, config(online), { known: 'slot' })).network, 'slot');
  assert.equal((await chooseDriver(rootless, governed, { known: 'user' })).network, 'user');
  // Such a slot has no link to a private network.
  const joined = await chooseDriver(rootless, config({ ...online, policy: 'none', networks: ['backend'] }));
  assert.deepEqual([joined.network, joined.whyNoSlot], ['user', 'no root']);
  const neither = drivers(qemu, { slots: false, slotsForPolicies: false, reason: 'no namespaces' });
  const { network, whyNoSlot } = await chooseDriver(neither, governed);
  assert.deepEqual([network, whyNoSlot], ['user', 'no namespaces']);
});

test('a call for the want of a feature is refused with those that have it', () => {
  const context = drivers({ 'apple-vz': { has: { pause: true } }, qemu: { has: { pause: true, snapshot: true } } });
  assert.equal(
    unsupported(context, 'apple-vz', 'snapshot').message,
    'The hypervisor apple-vz cannot take snapshots of memory: qemu can.',
  );
  assert.match(unsupported(context, 'qemu', 'hotplug').message, /none here can/);
});
