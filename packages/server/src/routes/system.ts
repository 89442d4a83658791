import type { RouteContext } from '../daemon-context.ts';
import { diagnostics, emergencyStop, systemInfo, systemMetrics } from '../system/facts.ts';
import type { HostUsage } from '../system/host.ts';
import type { JsonHandlers } from './call.ts';

export function systemHandlers(
  context: RouteContext,
  look: () => Promise<HostUsage>,
): Pick<
  JsonHandlers,
  'systemInfo' | 'systemMetrics' | 'systemDiagnostics' | 'systemStorage' | 'collectGarbage' | 'emergencyStop'
> {
  return {
    systemInfo: () => systemInfo(context),
    systemMetrics: ({ vms }) => systemMetrics(vms(), look),
    systemDiagnostics: () => diagnostics(context),
    systemStorage: ({ engine, signal }) => engine.storage.usage({ signal }),
    collectGarbage: ({ engine, body, signal }) =>
      engine.storage.collect({ dryRun: body.dry_run, all: body.all }, { signal }),
    emergencyStop: ({ engine }) => emergencyStop(context, engine),
  };
}
