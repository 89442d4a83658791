import { metricsOf, vmConfigOf, vmOf } from '@novasandbox/protocol/api';
import type { RouteContext } from '../daemon-context.ts';
import { principalOf } from '../http/hooks.ts';
import { createVm, debugVm, limitsOf, named, resourcesOf, restartVm, validateVm } from '../vms/operations.ts';
import { pageOfVms } from '../vms/page.ts';
import type { JsonHandlers } from './call.ts';

/** Creates, changes and describes VMs. */
export function vmHandlers(
  context: RouteContext,
): Pick<
  JsonHandlers,
  | 'createVm'
  | 'createLinuxVm'
  | 'validateVm'
  | 'listVms'
  | 'getVm'
  | 'updateVm'
  | 'getVmConfig'
  | 'deleteVm'
  | 'startVm'
  | 'stopVm'
  | 'restartVm'
  | 'pauseVm'
  | 'resumeVm'
  | 'hibernateVm'
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
  const graceMs = (seconds: number): number => Math.round(seconds * 1000);
  return {
    createVm: ({ engine, body, ...call }) => createVm(context, engine, body, call),
    createLinuxVm: ({ engine, body, ...call }) => createVm(context, engine, body, call),
    validateVm: ({ request, body }) => validateVm(context, principalOf(request), body),
    listVms: async ({ engine, query }) => pageOfVms(await engine.sandboxes.list({ all: true }), query),
    getVm: async ({ engine, params }) => vmOf(await engine.sandboxes.get(params.id)),
    updateVm: async ({ engine, params, body }) => vmOf(await engine.sandboxes.rename(params.id, body.name)),
    getVmConfig: async ({ engine, params }) => vmConfigOf(await engine.sandboxes.config(params.id)),
    deleteVm: ({ engine, params, query }) => engine.sandboxes.remove(params.id, { force: query.force }),
    startVm: async ({ engine, params, body, signal }) =>
      vmOf(await named(() => engine.sandboxes.start(params.id, { ...body, signal }))),
    stopVm: async ({ engine, params, body }) =>
      vmOf(await engine.sandboxes.stop(params.id, { force: body.force, graceMs: graceMs(body.timeout_seconds) })),
    restartVm: ({ engine, params, body, signal }) => restartVm(engine, params.id, body, signal),
    pauseVm: async ({ engine, params }) => vmOf(await engine.sandboxes.pause(params.id)),
    resumeVm: async ({ engine, params, body, signal }) =>
      vmOf(await engine.sandboxes.resume(params.id, { memory: body.memory, signal })),
    hibernateVm: async ({ engine, params, body, signal }) =>
      vmOf(await engine.sandboxes.hibernate(params.id, { memory: body.memory }, { signal })),
    setVmTimeout: async ({ engine, params, body }) =>
      vmOf(await engine.sandboxes.setTimeout(params.id, graceMs(body.timeout_seconds))),
    async getVmStatus({ engine, params }) {
      const { id, state, reason } = await engine.sandboxes.get(params.id);
      return { id, status: state, reason };
    },
    getVmMetrics: async ({ engine, params }) => metricsOf(await engine.sandboxes.stats(params.id)),
    async getVmMetricsHistory({ engine, params, query }) {
      const { id } = await engine.sandboxes.get(params.id);
      const sinceMs = query.since === undefined ? 0 : Date.parse(query.since);
      const history = context.measurements.history(id, { sinceMs, limit: query.limit });
      return { metrics: history.map(({ metrics }) => metrics) };
    },
    getVmResources: async ({ engine, params }) => resourcesOf(await engine.sandboxes.get(params.id)),
    async setVmResources({ engine, params, body, signal }) {
      const to = { vcpus: body.vcpus, memoryMb: body.memory_mb, diskSizeMb: body.disk_mb };
      return resourcesOf(await named(() => engine.sandboxes.resize(params.id, to, { signal })));
    },
    addVmNetwork: ({ engine, params, signal }) => engine.sandboxes.addNetwork(params.id, { signal }),
    removeVmNetwork: ({ engine, params, signal }) => engine.sandboxes.removeNetwork(params.id, { signal }),
    getVmLimits: ({ engine, params }) => limitsOf(context, engine, params.id),
    getVmLogs: ({ engine, params, query }) => engine.sandboxes.logs(params.id, { bytes: query.bytes }),
    getVmDebug: ({ engine, params }) => debugVm(context, engine, params.id),
  };
}
