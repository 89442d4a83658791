import { metricsOf, vmConfigOf, vmOf } from '@novasandbox/protocol/api';
import type { DaemonContext } from '../daemon-context.ts';
import { createVm, debugVm, limitsOf, resourcesOf, restartVm, validateVm } from '../vms/operations.ts';
import { pageOfVms } from '../vms/page.ts';
import type { JsonHandlers } from './call.ts';

/** The life of VMs, and what is known of them. */
export function vmHandlers(
  context: DaemonContext,
): Pick<
  JsonHandlers,
  | 'createVm'
  | 'createLinuxVm'
  | 'validateVm'
  | 'listVms'
  | 'getVm'
  | 'getVmConfig'
  | 'deleteVm'
  | 'startVm'
  | 'stopVm'
  | 'restartVm'
  | 'pauseVm'
  | 'resumeVm'
  | 'setVmTimeout'
  | 'getVmStatus'
  | 'getVmMetrics'
  | 'getVmMetricsHistory'
  | 'getVmResources'
  | 'setVmResources'
  | 'addVmNetwork'
  | 'removeVmNetwork'
  | 'getVmLimits'
  | 'getVmLogs'
  | 'getVmDebug'
> {
  const { sandboxes } = context.engine;
  const graceMs = (seconds: number): number => Math.round(seconds * 1000);
  return {
    createVm: ({ body, signal }) => createVm(context, body, signal),
    createLinuxVm: ({ body, signal }) => createVm(context, body, signal),
    validateVm: ({ body }) => validateVm(context, body),
    listVms: async ({ query }) => pageOfVms(await sandboxes.list({ all: true }), query),
    getVm: async ({ params }) => vmOf(await sandboxes.get(params.id)),
    getVmConfig: async ({ params }) => vmConfigOf(await sandboxes.config(params.id)),
    deleteVm: ({ params, query }) => sandboxes.remove(params.id, { force: query.force }),
    startVm: async ({ params, body, signal }) => vmOf(await sandboxes.start(params.id, { ...body, signal })),
    stopVm: async ({ params, body }) =>
      vmOf(await sandboxes.stop(params.id, { force: body.force, graceMs: graceMs(body.timeout_seconds) })),
    restartVm: ({ params, body, signal }) => restartVm(context, params.id, body, signal),
    pauseVm: async ({ params }) => vmOf(await sandboxes.pause(params.id)),
    resumeVm: async ({ params }) => vmOf(await sandboxes.resume(params.id)),
    setVmTimeout: async ({ params, body }) =>
      vmOf(await sandboxes.setTimeout(params.id, graceMs(body.timeout_seconds))),
    async getVmStatus({ params }) {
      const { id, state, reason } = await sandboxes.get(params.id);
      return { id, status: state, reason };
    },
    getVmMetrics: async ({ params }) => metricsOf(await sandboxes.stats(params.id)),
    async getVmMetricsHistory({ params, query }) {
      const { id } = await sandboxes.get(params.id);
      const sinceMs = query.since === undefined ? 0 : Date.parse(query.since);
      const history = context.measurements.history(id, { sinceMs, limit: query.limit });
      return { metrics: history.map(({ metrics }) => metrics) };
    },
    getVmResources: async ({ params }) => resourcesOf(await sandboxes.get(params.id)),
    async setVmResources({ params, body, signal }) {
      const to = { vcpus: body.vcpus, memoryMb: body.memory_mb };
      return resourcesOf(await sandboxes.resize(params.id, to, { signal }));
    },
    addVmNetwork: ({ params, signal }) => sandboxes.addNetwork(params.id, { signal }),
    removeVmNetwork: ({ params, signal }) => sandboxes.removeNetwork(params.id, { signal }),
    getVmLimits: ({ params }) => limitsOf(context, params.id),
    getVmLogs: ({ params, query }) => sandboxes.logs(params.id, { bytes: query.bytes }),
    getVmDebug: ({ params }) => debugVm(context, params.id),
  };
}
