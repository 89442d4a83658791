import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { NovaError, type DriverFeatures, type HypervisorName, type SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { LoadedTemplate } from '../ports/image-source.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import { requireFreePort } from './free-port.ts';
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
  /** `slot`: a tap in a namespace of its own (network/); `user`: the VMM's own user-mode stack. */
  readonly network: 'none' | 'user' | 'slot';
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
  if (!config.enableNetwork && config.hostPort !== undefined) {
    throw new NovaError('invalid_argument', 'hostPort: a sandbox without network cannot have a forwarded port.', {
      hint: 'Leave out hostPort, or set enableNetwork; tunnels work without network.',
    });
  }
  const network = config.enableNetwork ? await chooseNetwork(context, driver, options) : 'none';
  if (config.hostPort !== undefined) {
    if (network === 'none') {
      throw new NovaError(
        'feature_unsupported',
        `The hypervisor ${driver.name} cannot forward ports: ${withFeature(context, 'userNetwork')} can.`,
      );
    }
    await requireFreePort(config.hostPort);
  }
  return {
    template,
    driver,
    accelerator,
    network,
    memoryMb,
    vcpus: config.vcpus ?? template.template.vcpus,
    diskSizeMb: config.diskSizeMb ?? Math.round(template.template.disk_size_gb * 1024),
  };
}

/** A slot where this host can make them and the hypervisor can use them. A process of the host has the host's network, hence none of its own. */
async function chooseNetwork(
  context: EngineContext,
  { name, features }: VmmDriver,
  { signal }: BuildContext,
): Promise<SandboxPlan['network']> {
  if (!features.virtualMachine) return 'none';
  const { slots, reason } = features.tapNetwork
    ? await context.network.probe({ signal })
    : { slots: false, reason: '' };
  if (slots) return 'slot';
  if (features.userNetwork) return 'user';
  throw new NovaError(
    'feature_unsupported',
    `The hypervisor ${name} needs a network slot, and this host has none: ${reason}. ${withFeature(context, 'userNetwork')} can do without.`,
    { hint: 'Run as root on Linux with the programs `nova doctor` names, or set enableNetwork: false.' },
  );
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
