import { arch, availableParallelism, platform, release, totalmem } from 'node:os';
import { hasMachine, toNovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { Services } from '../context.ts';
import type { RouteContext } from '../daemon-context.ts';
import { version } from '../version.ts';
import { checks } from './checks.ts';
import type { HostUsage } from './host.ts';

const mebibyte = 1024 * 1024;

export async function systemInfo({ quietEngine }: RouteContext) {
  const reports = await quietEngine.hypervisors();
  return {
    version,
    node: process.version,
    platform: platform(),
    kernel: release(),
    architecture: arch(),
    cpus: availableParallelism(),
    memory_mb: Math.round(totalmem() / mebibyte),
    hypervisors: reports.map(({ name, features, probe }) => ({
      name,
      available: probe.available,
      accelerator: probe.accelerator,
      version: probe.version,
      reason: probe.reason,
      features: { ...features },
    })),
  };
}

export async function systemMetrics(vms: readonly SandboxInfo[], look: () => Promise<HostUsage>) {
  const host = await look();
  const count = (state: string): number => vms.filter((info) => info.state === state).length;
  return {
    timestamp: new Date().toISOString(),
    cpu_usage_percent: host.cpuPercent,
    load_1: host.load1,
    memory_total_mb: host.memoryTotalMb,
    memory_available_mb: host.memoryAvailableMb,
    disk_total_mb: host.diskTotalMb,
    disk_free_mb: host.diskFreeMb,
    vms_running: count('running'),
    vms_paused: count('paused'),
    daemon_rss_mb: Math.round((process.memoryUsage.rss() / mebibyte) * 100) / 100,
  };
}

export async function diagnostics(context: RouteContext) {
  const ready = await checks(context);
  const remedies = {
    store: 'Look at the log of the daemon; the state folder must be writable.',
    disk: 'Free disk space where the state folder lies, or remove VMs.',
    hypervisor: 'Run `nova doctor` on the host: it says what is missing and how to install it.',
  } as const;
  const found = Object.entries(ready).map(([subject, { ok, detail }]) => ({
    subject,
    ok,
    detail,
    remedy: ok ? null : remedies[subject as keyof typeof remedies],
  }));
  const templates = (await context.quietEngine.templates.list()).map(({ id, built }) => ({
    subject: `template ${id}`,
    ok: true,
    detail: built ? 'built' : 'not built yet: its first VM waits for it',
    remedy: built ? null : `nova template build ${id}`,
  }));
  return { checks: [...found, ...templates] };
}

/** Stops all VMs of the caller concurrently and by force. A VM that cannot be stopped does not delay the others. */
export async function emergencyStop({ metrics, log }: RouteContext, engine: Services) {
  log.warn({ operation: 'emergencyStop' }, 'emergency stop');
  metrics.security('emergency_stop');
  const stopped: string[] = [];
  const failed: { id: string; message: string }[] = [];
  await Promise.all(
    (await engine.sandboxes.list())
      .filter(({ state }) => hasMachine(state))
      .map(async ({ id }) => {
        try {
          await engine.sandboxes.stop(id, { force: true });
          stopped.push(id);
        } catch (error) {
          failed.push({ id, message: toNovaError(error).message });
        }
      }),
  );
  return { stopped, failed };
}
