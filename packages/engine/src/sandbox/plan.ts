import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { NovaError, type DriverFeatures, type HypervisorName, type SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { LoadedTemplate } from '../ports/image-source.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import type { BuildContext } from '../services.ts';
import { loadTemplate } from '../template/load.ts';

/** What a config comes to on this host, before anything is made. */
export interface SandboxPlan {
  readonly template: LoadedTemplate;
  readonly driver: VmmDriver;
  readonly accelerator: string;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly diskSizeMb: number;
}

const mebibyte = 1024 * 1024;

/** Fills in the template's sizes and refuses what this host cannot do. */
export async function planSandbox(
  context: EngineContext,
  config: SandboxConfig,
  options: BuildContext = {},
): Promise<SandboxPlan> {
  const template = await loadTemplate(context.layout, config.templateId);
  const memoryMb = config.memoryMb ?? template.template.memory_mb;
  const hostMb = Math.floor(totalmem() / mebibyte);
  if (memoryMb > hostMb) {
    throw new NovaError('invalid_argument', `memoryMb: ${memoryMb} MiB is more than this host has (${hostMb} MiB).`);
  }
  if (config.rootfsPath !== undefined) await requireFile(config.rootfsPath, 'rootfsPath');
  for (const drive of config.extraDrives) await requireFile(drive.path, 'extraDrives');
  const { driver, accelerator } = await chooseDriver(context, config.hypervisor, options);
  if (config.enableNetwork && config.hostPort !== undefined && !driver.features.userNetwork) {
    throw new NovaError(
      'feature_unsupported',
      `The hypervisor ${driver.name} cannot forward ports: ${withFeature(context, 'userNetwork')} can.`,
    );
  }
  if (!config.enableNetwork && config.hostPort !== undefined) {
    throw new NovaError('invalid_argument', 'hostPort: a sandbox without network cannot have a forwarded port.', {
      hint: 'Leave out hostPort, or set enableNetwork; tunnels work without network.',
    });
  }
  return {
    template,
    driver,
    accelerator,
    memoryMb,
    vcpus: config.vcpus ?? template.template.vcpus,
    diskSizeMb: config.diskSizeMb ?? Math.round(template.template.disk_size_gb * 1024),
  };
}

/** The hypervisor asked for, or for `auto` the first that a probe proves. */
export async function chooseDriver(
  context: EngineContext,
  wanted: HypervisorName | 'auto',
  options: BuildContext = {},
): Promise<{ readonly driver: VmmDriver; readonly accelerator: string }> {
  const candidates =
    wanted === 'auto'
      ? [...context.drivers.values()].filter((d) => d.features.virtualMachine)
      : [context.drivers.get(wanted)];
  const reasons: string[] = [];
  for (const driver of candidates) {
    if (driver === undefined) {
      throw new NovaError(
        'not_implemented',
        `The hypervisor ${wanted} is not there yet; there are ${[...context.drivers.keys()].join(', ')}.`,
      );
    }
    const probe = await driver.probe(options);
    if (probe.available) return { driver, accelerator: probe.accelerator };
    reasons.push(probe.reason);
  }
  throw new NovaError('hypervisor_unavailable', `No hypervisor works on this host: ${reasons.join('; ')}`);
}

function withFeature(context: EngineContext, feature: keyof DriverFeatures): string {
  return [...context.drivers.values()]
    .filter((driver) => driver.features[feature])
    .map((driver) => driver.name)
    .join(', ');
}

async function requireFile(path: string, field: string): Promise<void> {
  if (!existsSync(path)) throw new NovaError('invalid_argument', `${field}: ${path} does not exist.`);
  if (!(await stat(path)).isFile()) throw new NovaError('invalid_argument', `${field}: ${path} is not a regular file.`);
}
