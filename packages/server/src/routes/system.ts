import type { DaemonContext } from '../daemon-context.ts';
import { diagnostics, emergencyStop, systemInfo, systemMetrics } from '../system/facts.ts';
import type { HostUsage } from '../system/host.ts';
import type { JsonHandlers } from './call.ts';

export function systemHandlers(
  context: DaemonContext,
  look: () => Promise<HostUsage>,
): Pick<JsonHandlers, 'systemInfo' | 'systemMetrics' | 'systemDiagnostics' | 'emergencyStop'> {
  return {
    systemInfo: () => systemInfo(context),
    systemMetrics: () => systemMetrics(context, look),
    systemDiagnostics: () => diagnostics(context),
    emergencyStop: () => emergencyStop(context),
  };
}
