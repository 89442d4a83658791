import type { SandboxService } from '@novasandbox/engine/services';
import {
  givenLabels,
  isNovaError,
  parse,
  resizeSchema,
  sandboxConfigSchema,
  type SandboxConfig,
} from '@novasandbox/protocol';
import { configOfVmConfig, infoOfVm, statsOfMetrics, type Vm } from '@novasandbox/protocol/api';
import { createVmOf } from './create-vm.ts';
import { untilExited } from './exited.ts';
import type { HttpClient } from './http.ts';
import { notOverDaemon } from './remote-error.ts';
import type { OpenSocket } from './socket.ts';

const pageSize = 1000;
const mostLogBytes = 4_194_304;
const graceMs = 5000;
/** A start may have to make a snapshot first: it ends when it ends, or when the caller gives up. */
const unlimited = 0;
const stopMs = 60_000;
/** The guest has to take what it is given. */
const hotplugMs = 60_000;

/** Sandboxes over the daemon. */
export function createRemoteSandboxes(http: HttpClient, openSocket: OpenSocket): SandboxService {
  const get = async (ref: string) => infoOfVm(await http.call('getVm', { id: ref }));
  return {
    async create(config, context) {
      const options = { body: createVmOf(config), signal: context?.signal, timeoutMs: unlimited };
      return infoOfVm(await http.call('createVm', {}, options));
    },
    get,
    async config(ref) {
      try {
        return configOfVmConfig(await http.call('getVmConfig', { id: ref }));
      } catch (error) {
        // Whoever may not run commands is not told the environment; the rest is known.
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
      return infoOfVm(await http.call('startVm', { id: ref }, { body, signal, timeoutMs: unlimited }));
    },
    async stop(ref, options = {}) {
      const grace = options.graceMs ?? graceMs;
      const body = { force: options.force ?? false, timeout_seconds: grace / 1000 };
      return infoOfVm(await http.call('stopVm', { id: ref }, { body, timeoutMs: stopMs + grace }));
    },
    pause: async (ref) => infoOfVm(await http.call('pauseVm', { id: ref })),
    resume: async (ref) => infoOfVm(await http.call('resumeVm', { id: ref })),
    async remove(ref, options = {}) {
      await http.call('deleteVm', { id: ref }, { query: { force: options.force ?? false }, timeoutMs: stopMs });
    },
    stats: async (ref) => statsOfMetrics(await http.call('getVmMetrics', { id: ref })),
    setTimeout: async (ref, timeoutMs) =>
      infoOfVm(await http.call('setVmTimeout', { id: ref }, { body: { timeout_seconds: timeoutMs / 1000 } })),
    logs: (ref, options = {}) =>
      http.call('getVmLogs', { id: ref }, { query: { bytes: Math.min(options.bytes ?? 65_536, mostLogBytes) } }),
    async guestInfo(ref, context) {
      const info = await http.call('guestInfo', { id: ref }, { signal: context?.signal });
      return {
        agentVersion: info.agent_version,
        kernelRelease: info.kernel,
        hostname: info.hostname,
        bootId: info.boot_id,
        machineId: info.machine_id,
        pid: info.agent_pid,
        uptimeMs: info.uptime_ms,
        arch: info.architecture,
        wallClockNs: BigInt(Date.parse(info.clock)) * 1_000_000n,
        rootReadOnly: info.root_read_only,
      };
    },
    async resize(ref, to, context) {
      const { vcpus, memoryMb } = parse(resizeSchema, to, 'size');
      const body = { vcpus, memory_mb: memoryMb };
      await http.call('setVmResources', { id: ref }, { body, signal: context?.signal, timeoutMs: hotplugMs });
      return get(ref);
    },
    // Files of this host mean nothing on the daemon's.
    addDrive: () => Promise.reject(notOverDaemon('addDrive')),
    removeDrive: () => Promise.reject(notOverDaemon('removeDrive')),
    async addNetwork(ref, context) {
      await http.call('addVmNetwork', { id: ref }, { signal: context?.signal, timeoutMs: hotplugMs });
    },
    async removeNetwork(ref, context) {
      await http.call('removeVmNetwork', { id: ref }, { signal: context?.signal, timeoutMs: hotplugMs });
    },
    exited: (ref, context) => untilExited(openSocket, get, ref, context?.signal),
  };
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
