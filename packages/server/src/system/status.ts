import { sandboxStateSchema, type SandboxInfo } from '@novasandbox/protocol';
import type { RouteContext } from '../daemon-context.ts';
import { version } from '../version.ts';

export async function statusOf(
  { quietEngine, startedAtMs }: Pick<RouteContext, 'quietEngine' | 'startedAtMs'>,
  infos: readonly SandboxInfo[],
) {
  const reports = await quietEngine.hypervisors();
  const usable = reports.find(({ features, probe }) => features.virtualMachine && probe.available);
  return {
    version,
    uptime_seconds: Math.round((Date.now() - startedAtMs) / 1000),
    vms: Object.fromEntries(
      sandboxStateSchema.options.map((state) => [state, infos.filter((info) => info.state === state).length]),
    ),
    hypervisor: usable?.name ?? 'none',
    accelerator: usable?.probe.accelerator ?? 'none',
  };
}
