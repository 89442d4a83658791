import type { SandboxService } from '@novasandbox/engine/services';
import {
  givenLabels,
  inWordsOfLibrary,
  isNovaError,
  nameSchema,
  parse,
  resizeSchema,
  sandboxConfigSchema,
  type SandboxConfig,
} from '@novasandbox/protocol';
import { configOfVmConfig, inCamelCase, infoOfVm, statsOfMetrics, type Vm } from '@novasandbox/protocol/api';
import { createVmOf } from './create-vm.ts';
import { untilExited } from './exited.ts';
import type { HttpClient, RequestOptions } from './http.ts';
import { notOverDaemon } from './remote-error.ts';
import type { OpenSocket } from './socket.ts';

const pageSize = 1000;
const mostLogBytes = 4_194_304;
const graceMs = 5000;
/** A start may have to create a snapshot first, so only the caller limits it. */
const unlimited = 0;
const stopMs = 60_000;
/** The memory of the guest is written to the disk of its host, and read once. */
const hibernateMs = 600_000;
/** The guest has to accept what is plugged in. */
const hotplugMs = 60_000;

type OperationOfVm =
  'getVm' | 'startVm' | 'stopVm' | 'pauseVm' | 'resumeVm' | 'hibernateVm' | 'setVmTimeout' | 'updateVm';

/** Sandboxes over the daemon. */
export function createRemoteSandboxes(http: HttpClient, openSocket: OpenSocket): SandboxService {
  const vm = async (operation: OperationOfVm, ref: string, options?: RequestOptions) =>
    infoOfVm(await http.call(operation, { id: ref }, options));
  const get = (ref: string) => vm('getVm', ref);
  return {
    async create(config, context) {
      const options = { body: createVmOf(config), signal: context?.signal, timeoutMs: unlimited };
      try {
        return infoOfVm(await http.call('createVm', {}, options));
      } catch (error) {
        throw inWordsOfLibrary(error);
      }
    },
    get,
    async config(ref) {
      try {
        return configOfVmConfig(await http.call('getVmConfig', { id: ref }));
      } catch (error) {
        // Callers without permission to run commands do not see the environment; the rest is known.
        if (!isNovaError(error, 'forbidden')) throw error;
        return configOfInfo(await http.call('getVm', { id: ref }));
      }
    },
    async list({ all = false, labels = {}, owner, team } = {}) {
      const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
      const query = { label, owner, team, limit: pageSize, ...(all ? { status: 'all' } : {}) };
      const vms: Vm[] = [];
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page = await http.call('listVms', {}, { query: { ...query, cursor } });
        vms.push(...page.vms);
        cursor = page.next_cursor;
      }
      return vms.map(infoOfVm);
    },
    async start(ref, { hypervisor, signal } = {}) {
      const body = hypervisor === undefined ? {} : { hypervisor };
      return vm('startVm', ref, { body, signal, timeoutMs: unlimited });
    },
    async stop(ref, options = {}) {
      const grace = options.graceMs ?? graceMs;
      const body = { force: options.force ?? false, timeout_seconds: grace / 1000 };
      return vm('stopVm', ref, { body, timeoutMs: stopMs + grace });
    },
    pause: (ref) => vm('pauseVm', ref),
    async resume(ref, { memory = true, signal } = {}) {
      return vm('resumeVm', ref, { body: { memory }, signal, timeoutMs: unlimited });
    },
    async hibernate(ref, { memory = true } = {}, context) {
      const options = { body: { memory }, signal: context?.signal, timeoutMs: hibernateMs };
      return vm('hibernateVm', ref, options);
    },
    async remove(ref, options = {}) {
      await http.call('deleteVm', { id: ref }, { query: { force: options.force ?? false }, timeoutMs: stopMs });
    },
    stats: async (ref) => statsOfMetrics(await http.call('getVmMetrics', { id: ref })),
    setTimeout: async (ref, timeoutMs) => vm('setVmTimeout', ref, { body: { timeout_seconds: timeoutMs / 1000 } }),
    async rename(ref, name) {
      const body = { name: parse(nameSchema, name, 'name') };
      return vm('updateVm', ref, { body });
    },
    logs: (ref, options = {}) =>
      http.call('getVmLogs', { id: ref }, { query: { bytes: Math.min(options.bytes ?? 65_536, mostLogBytes) } }),
    async guestInfo(ref, context) {
      const {
        kernel: kernelRelease,
        architecture: arch,
        agentPid: pid,
        clock,
        ...same
      } = inCamelCase(await http.call('guestInfo', { id: ref }, { signal: context?.signal }));
      return { ...same, kernelRelease, arch, pid, wallClockNs: BigInt(Date.parse(clock)) * 1_000_000n };
    },
    async resize(ref, to, context) {
      const { vcpus, memoryMb, diskSizeMb } = parse(resizeSchema, to, 'size');
      const body = { vcpus, memory_mb: memoryMb, disk_mb: diskSizeMb };
      await http.call('setVmResources', { id: ref }, { body, signal: context?.signal, timeoutMs: hotplugMs });
      return get(ref);
    },
    // Files of this host do not exist on the daemon's host.
    addDrive: () => Promise.reject(notOverDaemon('addDrive')),
    removeDrive: () => Promise.reject(notOverDaemon('removeDrive')),
    async addNetwork(ref, context) {
      await http.call('addVmNetwork', { id: ref }, { signal: context?.signal, timeoutMs: hotplugMs });
    },
    async removeNetwork(ref, context) {
      await http.call('removeVmNetwork', { id: ref }, { signal: context?.signal, timeoutMs: hotplugMs });
    },
    async setPolicy(ref, policy, context) {
      await http.call('setVmPolicy', { id: ref }, { body: { policy }, signal: context?.signal, timeoutMs: hotplugMs });
      return get(ref);
    },
    secrets: async (ref) => (await http.call('listVmSecrets', { id: ref }, {})).secrets,
    setSecret: (ref, name, body, context) =>
      http.call('setVmSecret', { id: ref, secret: name }, { body, signal: context?.signal, timeoutMs: hotplugMs }),
    async removeSecret(ref, name, context) {
      await http.call('removeVmSecret', { id: ref, secret: name }, { signal: context?.signal, timeoutMs: hotplugMs });
    },
    async decisions(ref, { follow = false, denied = false, signal } = {}) {
      if (follow) throw notOverDaemon('decisions with follow');
      const { decisions } = await http.call('listVmDecisions', { id: ref }, { query: { denied }, signal });
      return each(decisions);
    },
    exited: (ref, context) => untilExited(openSocket, get, ref, context?.signal),
  };
}

// oxlint-disable-next-line require-await
async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

function configOfInfo(vm: Vm): SandboxConfig {
  const { name, templateId, memoryMb, vcpus, diskSizeMb, enableNetwork, hostPort, ...rest } = infoOfVm(vm);
  const { guestPort, labels, ephemeral, hypervisor } = rest;
  const named = { ...(name === null ? {} : { name }), ...(hostPort === null ? {} : { hostPort }) };
  const sizes = { memoryMb, vcpus, diskSizeMb };
  const config = {
    ...named,
    ...sizes,
    templateId,
    enableNetwork,
    guestPort,
    labels: givenLabels(labels),
    ephemeral,
    hypervisor,
  };
  return parse(sandboxConfigSchema, config, 'config');
}
